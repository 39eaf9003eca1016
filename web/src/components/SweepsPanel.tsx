import { useQuery } from "@tanstack/react-query";

import { queries } from "../api/queries";
import type { SweepView } from "../api/types";
import { count } from "../format";
import { Panel } from "./Panel";

/** In the order they are drawn, from the left. */
const SEGMENTS = ["completed", "running", "paused", "failed", "pruned", "cancelled"] as const;
const N_SHOWN = 8;

export function SweepsPanel({ dataset }: { dataset: string }) {
  const sweeps = useQuery(queries.sweeps());
  const mine = (sweeps.data ?? []).filter((sweep) => sweep.dataset === dataset);
  return (
    <Panel title="Sweeps" aside={<span className="muted num">{count(mine.length)}</span>}>
      {mine.length === 0 && (
        <p className="empty">
          None yet: <code>cultivar sweep submit FILE.yaml</code>
        </p>
      )}
      <ul className="sweeps">
        {mine.slice(0, N_SHOWN).map((sweep) => (
          <SweepRow key={sweep.id} sweep={sweep} />
        ))}
      </ul>
      {mine.length > N_SHOWN && <p className="muted">and {count(mine.length - N_SHOWN)} older</p>}
    </Panel>
  );
}

function SweepRow({ sweep }: { sweep: SweepView }) {
  const settled = ["completed", "failed", "pruned", "cancelled"].reduce((sum, state) => sum + (sweep.counts[state] ?? 0), 0);
  const parts = SEGMENTS.filter((state) => (sweep.counts[state] ?? 0) > 0);
  return (
    <li>
      <div className="sweep-title">
        <span className="ellipsis" title={`${sweep.name}, submitted ${new Date(sweep.created_at).toLocaleString()}`}>
          {sweep.name}
        </span>
        <span className="num">
          {count(settled)}/{count(sweep.n_planned)}
        </span>
      </div>
      <div
        className="bar stacked"
        role="progressbar"
        aria-label={`Sweep ${sweep.name}`}
        aria-valuemin={0}
        aria-valuemax={sweep.n_planned}
        aria-valuenow={settled}
      >
        {parts.map((state) => (
          <span key={state} className={`seg seg-${state}`} style={{ width: `${((sweep.counts[state] ?? 0) / Math.max(sweep.n_planned, 1)) * 100}%` }} />
        ))}
      </div>
      <p className="sweep-states muted">
        {sweep.cancelled_at ? "cancelled" : sweep.finished ? "finished" : sweep.paused_at ? "paused" : "in progress"}
        {parts.map((state) => ` · ${count(sweep.counts[state])} ${state}`)}
      </p>
    </li>
  );
}
