/** The header's counts. The API counts trials by sweep; single trials are added from its lists. */

import type { Leaderboard, SweepView, TrialPage } from "../api/types";

export interface TrialCounts {
  queued: number;
  running: number;
  completed: number;
  failed: number;
  /** Cancelled and pruned. */
  stopped: number;
}

export function countTrials(
  dataset: string,
  sweeps: readonly SweepView[],
  queued: TrialPage | undefined,
  nRunning: number,
  board: Leaderboard | undefined,
): TrialCounts {
  const mine = sweeps.filter((sweep) => sweep.dataset === dataset);
  const sum = (state: string) => mine.reduce((total, sweep) => total + (sweep.counts[state] ?? 0), 0);
  const listed = queued?.trials ?? [];
  const isWhole = queued !== undefined && queued.next_cursor == null;
  const ranked = board?.rows.reduce((total, row) => total + row.trials.length, 0) ?? 0;
  return {
    queued: isWhole ? listed.length : sum("queued") + listed.filter((trial) => trial.sweep == null).length,
    running: nRunning,
    completed: Math.max(sum("completed"), ranked),
    failed: sum("failed"),
    stopped: sum("cancelled") + sum("pruned"),
  };
}
