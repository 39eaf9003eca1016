/** Whose log is shown: the trials to choose from, and the one that is followed until somebody does. Pure. */

import type { LeaderboardRow, TrialView } from "../api/types";
import { shortName, varyingFacets } from "../leaderboard/facets";
import type { RunningName } from "../live/useLive";

export interface Choice {
  id: string;
  text: string;
}

export interface Group {
  name: string;
  choices: Choice[];
}

/** Failed trials to choose from: the newest. */
const MAX_FAILED = 50;

/** The groups that have trials; `failed` comes oldest first, `rows` are the ticked ones. */
export function groupsOf(running: readonly RunningName[], failed: readonly TrialView[], rows: readonly LeaderboardRow[]): Group[] {
  const runs = new Set(running.map(({ id }) => id));
  const stopped = failed.filter(({ id }) => !runs.has(id));
  const varying = varyingFacets(rows);
  const ticked = rows.flatMap((row) =>
    row.trials.map((id, idx): Choice => {
      const name = `#${row.rank} ${shortName(row, varying)}`;
      return { id, text: row.trials.length > 1 ? `${name} · run ${idx + 1}` : name };
    }),
  );
  const groups = [
    { name: "Running", choices: running.map(choiceOf) },
    { name: "Failed, newest first", choices: stopped.slice(-MAX_FAILED).reverse().map(choiceOf) },
    { name: "Ticked rows", choices: ticked },
  ];
  return groups.filter(({ choices }) => choices.length > 0);
}

/**
 * The trial to show while nobody chose one: the one shown so far, `kept`, as long as it runs; then
 * another that does. Where none runs the last one stays, so that its end can be read.
 */
export function followed(kept: string | null, running: readonly RunningName[], groups: readonly Group[]): string | null {
  if (kept !== null && running.some(({ id }) => id === kept)) return kept;
  return running[0]?.id ?? kept ?? groups[0]?.choices[0]?.id ?? null;
}

function choiceOf({ id, label, seed }: { id: string; label: string; seed: number | null }): Choice {
  return { id, text: seed === null ? label : `${label} · seed ${seed}` };
}
