import { useQueries } from "@tanstack/react-query";
import { useMemo, useState } from "react";

import { queries, type CurveMetric } from "../api/queries";
import type { LeaderboardRow } from "../api/types";
import { curveChart, valuesAt, type Curve } from "../charts/curves";
import { decimal, percent } from "../format";
import { shortName, varyingFacets } from "../leaderboard/facets";
import type { LiveStore } from "../live/store";
import { useRunningNames } from "../live/useLive";
import { CurveView } from "./CurveView";
import { Panel } from "./Panel";

/** Running trials drawn at most, and how often their series are asked for again. */
const MAX_RUNNING = 4;
const RUNNING_REFRESH_MS = 3000;
/** Seeds drawn of one configuration. */
const MAX_SEEDS = 5;
/** Palette entries after those of the selectable rows. */
const RUNNING_COLOR = 8;

const METRICS: { metric: CurveMetric; name: string; format: (value: number | null) => string }[] = [
  { metric: "val_top1", name: "val accuracy, %", format: (value) => percent(value) },
  { metric: "train_loss", name: "train loss", format: (value) => decimal(value, 2) },
];

interface Props {
  store: LiveStore;
  dataset: string;
  rows: readonly LeaderboardRow[];
  /** Colour of each selected configuration. */
  colors: ReadonlyMap<string, number>;
}

interface Wanted {
  trial: string;
  /** Trials of one configuration share it. */
  group: string;
  label: string;
  color: number;
  isRunning: boolean;
}

export function CurvesPanel({ store, dataset, rows, colors }: Props) {
  const [metricIdx, setMetricIdx] = useState(0);
  const [followsRunning, setFollowsRunning] = useState(true);
  const [hovered, setHovered] = useState<number | null>(null);
  const running = useRunningNames(store, dataset);
  const { metric, name, format } = METRICS[metricIdx]!;

  const wanted = useMemo(() => {
    const ticked = rows.filter((row) => colors.has(row.config_id));
    const varying = varyingFacets(ticked);
    const selected = ticked.flatMap((row): Wanted[] => {
      const label = `#${row.rank} ${shortName(row, varying)}`;
      const color = colors.get(row.config_id) ?? 0;
      return row.trials.slice(0, MAX_SEEDS).map((trial) => ({ trial, group: row.config_id, label, color, isRunning: false }));
    });
    const live = (followsRunning ? running : []).slice(0, MAX_RUNNING).map(({ id, label }): Wanted => {
      return { trial: id, group: id, label, color: RUNNING_COLOR, isRunning: true };
    });
    return [...selected, ...live];
  }, [rows, colors, running, followsRunning]);

  const answers = useQueries({
    queries: wanted.map(({ trial, isRunning }) => ({
      ...queries.series(trial, metric),
      // What is finished does not change.
      staleTime: isRunning ? 0 : Infinity,
      refetchInterval: isRunning ? RUNNING_REFRESH_MS : (false as const),
    })),
    combine: (results) => results.map((result) => result.data),
  });
  const chart = useMemo(() => {
    const curves = wanted.map(({ trial, label, color }, idx): Curve => ({ key: trial, label, color, series: answers[idx] }));
    return curveChart(curves);
  }, [wanted, answers]);
  const values = hovered === null ? chart.last : valuesAt(chart, hovered);
  const epoch = hovered === null ? null : chart.data[0][hovered];

  return (
    <Panel
      title="Learning curves"
      className="curves"
      aside={
        <div className="segmented" role="group" aria-label="Metric">
          {METRICS.map((choice, idx) => (
            <button key={choice.metric} type="button" aria-pressed={idx === metricIdx} onClick={() => setMetricIdx(idx)}>
              {choice.name}
            </button>
          ))}
        </div>
      }
    >
      <div className="curve-frame">
        <CurveView
          chart={chart}
          styles={wanted.map(({ color, isRunning }) => ({ color, isDashed: isRunning }))}
          format={(value) => (metric === "val_top1" ? String(Number((value * 100).toFixed(1))) : String(Number(value.toFixed(2))))}
          summary={`${name} over epochs of ${wanted.length} trials`}
          onHover={setHovered}
        />
        {chart.nPoints === 0 && (
          <p className="empty curve-empty">
            {wanted.length === 0 ? "Tick rows of the leaderboard to compare their curves." : "No points yet."}
          </p>
        )}
      </div>
      <div className="curve-foot">
        <label className="check">
          <input type="checkbox" checked={followsRunning} onChange={(event) => setFollowsRunning(event.target.checked)} />
          running trials (dashed)
        </label>
        <span className="muted num">{epoch == null ? "last values" : `epoch ${Number(epoch.toFixed(2))}`}</span>
      </div>
      <ul className="curve-legend">
        {legendOf(wanted, values).map(({ group, label, color, isRunning, mean, n }) => (
          <li key={group} title={n > 1 ? `${label}: mean of ${n} seeds` : label}>
            <span className={`line-key swatch-${color} ${isRunning ? "dashed" : ""}`} aria-hidden="true" />
            <span className="ellipsis">{label}</span>
            <span className="num">{format(mean)}</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

/** One entry a configuration: the mean over those of its seeds that have a value. */
function legendOf(wanted: readonly Wanted[], values: readonly (number | null)[]) {
  const groups = new Map<string, Wanted & { values: number[] }>();
  wanted.forEach((each, idx) => {
    const entry = groups.get(each.group) ?? { ...each, values: [] };
    const value = values[idx];
    if (value != null) entry.values.push(value);
    groups.set(each.group, entry);
  });
  return [...groups.values()].map((entry) => ({
    ...entry,
    n: entry.values.length,
    mean: entry.values.length > 0 ? entry.values.reduce((sum, value) => sum + value, 0) / entry.values.length : null,
  }));
}
