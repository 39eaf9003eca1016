import { memo } from "react";

import type { Axis } from "../charts/axis";
import type { Comparison, Estimate, LeaderboardRow, SotaEntry } from "../api/types";
import { NOTHING, percent, percentRange, plural, points, pointsRange, pValue, shortDuration, words } from "../format";
import { facetsOf, type Facet } from "../leaderboard/facets";
import type { Line } from "../leaderboard/rows";
import { AxisHead, EstimatesCell, PublishedCell } from "./IntervalCell";

/** A difference is called one only below this Holm-adjusted p. */
const SIGNIFICANT = 0.05;

export interface Selection {
  /** Colour of each selected configuration. */
  colors: ReadonlyMap<string, number>;
  isFull: boolean;
  toggle: (configId: string) => void;
}

interface Props {
  lines: readonly Line[];
  axis: Axis;
  /** The leader's interval, drawn behind every row. */
  band: Estimate | null;
  varying: ReadonlySet<Facet["key"]>;
  selection: Selection;
}

export function LeaderboardTable({ lines, axis, band, varying, selection }: Props) {
  return (
    <table className="board">
      <thead>
        <tr>
          <th scope="col" className="c-rank">
            <span className="visually-hidden">Rank</span>#
          </th>
          <th scope="col" className="c-config">
            Configuration
          </th>
          <th scope="col" className="c-axis">
            <span className="visually-hidden">Accuracy on a common axis</span>
            <AxisHead axis={axis} />
          </th>
          <th scope="col" className="c-val">
            Validation
          </th>
          <th scope="col" className="c-test">
            Test
          </th>
          <th scope="col" className="c-vs">
            Against top
          </th>
          <th scope="col" className="c-time">
            Training
          </th>
        </tr>
      </thead>
      <tbody>
        {lines.map((line) =>
          line.kind === "config" ? (
            <ConfigRow
              key={line.key}
              row={line.row}
              axis={axis}
              band={band}
              varying={varying}
              color={selection.colors.get(line.row.config_id)}
              isFull={selection.isFull}
              toggle={selection.toggle}
            />
          ) : (
            <PublishedRow key={line.key} entry={line.entry} axis={axis} band={band} isComparable={line.isComparable} />
          ),
        )}
      </tbody>
    </table>
  );
}

interface ConfigRowProps {
  row: LeaderboardRow;
  axis: Axis;
  band: Estimate | null;
  varying: ReadonlySet<Facet["key"]>;
  /** Undefined: not selected. */
  color: number | undefined;
  isFull: boolean;
  toggle: (configId: string) => void;
}

const ConfigRow = memo(function ConfigRow({ row, axis, band, varying, color, isFull, toggle }: ConfigRowProps) {
  const isSelected = color !== undefined;
  const isOff = !isSelected && isFull;
  return (
    <tr className={isSelected ? "config selected" : "config"} data-config={row.config_id}>
      <td className="c-rank">
        <label className={isSelected ? `rank swatch-${color}` : "rank"} title={isOff ? "Unselect another row first" : "Show its learning curves"}>
          <input
            type="checkbox"
            checked={isSelected}
            disabled={isOff}
            onChange={() => toggle(row.config_id)}
            aria-label={`Show learning curves of rank ${row.rank}: ${row.label}`}
          />
          <span className="num">{row.rank}</span>
        </label>
      </td>
      <td className="c-config">
        <ul className="chips" title={row.label}>
          {facetsOf(row)
            .filter(({ key }) => varying.has(key))
            .map((facet) => (
              <li key={facet.key} className={facet.isPlain ? "chip plain" : "chip"} title={facet.title}>
                {facet.text}
              </li>
            ))}
        </ul>
      </td>
      <td className="c-axis">
        <EstimatesCell axis={axis} band={band} val={row.val_top1 ?? null} test={row.test_top1 ?? null} />
      </td>
      <td className="c-val" data-label="Validation">
        <EstimateText estimate={row.val_top1 ?? null} />
      </td>
      <td className="c-test" data-label="Test">
        <EstimateText estimate={row.test_top1 ?? null} />
      </td>
      <td className="c-vs" data-label="Against top">
        <ComparisonText comparison={row.vs_top ?? null} isTop={row.rank === 1} />
        {row.selected && (
          <span className="chip warn" title="The best of several tried on this same split: its number is flattered by the choice">
            selected best
          </span>
        )}
      </td>
      <td className="c-time num" data-label="Training">
        {shortDuration(row.train_seconds)}
      </td>
    </tr>
  );
});

function EstimateText({ estimate }: { estimate: Estimate | null }) {
  if (!estimate) return <span className="muted">{NOTHING}</span>;
  return (
    <>
      <strong className="figure">{percent(estimate.mean)}%</strong>
      <span className="sub">{percentRange(estimate.low, estimate.high)}</span>
      {estimate.n === 1 ? (
        <span className="sub single" title="One run: the interval knows the images, not the luck of the seed">
          n = 1
        </span>
      ) : (
        <span className="sub" title={plural(estimate.n, "seed")}>
          n = {estimate.n}
        </span>
      )}
    </>
  );
}

function ComparisonText({ comparison, isTop }: { comparison: Comparison | null; isTop: boolean }) {
  if (!comparison) return <span className="muted">{isTop ? "top" : NOTHING}</span>;
  const isSeparated = comparison.p_holm < SIGNIFICANT;
  return (
    <span
      className={isSeparated ? "vs" : "vs open"}
      title={`95% interval ${pointsRange(comparison.low, comparison.high)} points; ${pValue(comparison.p_holm)} after Holm`}
    >
      <strong className="figure">{points(comparison.difference)}</strong>
      <span className="sub">{pointsRange(comparison.low, comparison.high)}</span>
      <span className="sub">{isSeparated ? pValue(comparison.p_holm) : `${pValue(comparison.p_holm)}, open`}</span>
    </span>
  );
}

interface PublishedRowProps {
  entry: SotaEntry;
  axis: Axis;
  band: Estimate | null;
  isComparable: boolean;
}

const PublishedRow = memo(function PublishedRow({ entry, axis, band, isComparable }: PublishedRowProps) {
  return (
    <tr className={`published ${entry.confidence}`} data-published={entry.method}>
      <td className="c-rank">
        <span className="published-mark" title="A published result">
          <span className="visually-hidden">published</span>◆
        </span>
      </td>
      <td className="c-config">
        <span className="method">{entry.method}</span>
        <ul className="chips" title={entry.source ? `Source: ${entry.source}` : undefined}>
          {entry.year != null && <li className="chip plain">{entry.year}</li>}
          {entry.backbone && <li className="chip plain">{entry.backbone}</li>}
          {entry.resolution != null && <li className="chip plain">{entry.resolution} px</li>}
          {entry.extra_data && <li className="chip plain">{entry.extra_data === "none" ? "no extra data" : entry.extra_data}</li>}
          {!isComparable && (
            <li className="chip warn" title="The paper averages over classes: not comparable with top-1 accuracy">
              {words(entry.metric)}
            </li>
          )}
          {entry.selection === "best_on_test" && (
            <li className="chip warn" title="The paper picked its best epoch on the test split">
              best epoch on test
            </li>
          )}
          {entry.confidence === "secondary" && (
            <li className="chip warn" title="Quoted elsewhere, not read in the paper itself">
              secondary
            </li>
          )}
        </ul>
      </td>
      <td className="c-axis">
        <PublishedCell axis={axis} band={band} entry={entry} />
      </td>
      <td className="c-val" data-label="Validation">
        <span className="muted">{NOTHING}</span>
      </td>
      <td className="c-test" data-label="Test">
        <strong className="figure">{percent(entry.value)}%</strong>
        {entry.std != null && <span className="sub">± {percent(entry.std, 2)} (std)</span>}
      </td>
      <td className="c-vs" data-label="Against top">
        <span className="muted">{NOTHING}</span>
      </td>
      <td className="c-time" data-label="Training">
        <span className="muted">{NOTHING}</span>
      </td>
    </tr>
  );
});
