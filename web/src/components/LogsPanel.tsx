import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";

import { useAddress } from "../address";
import { queries } from "../api/queries";
import type { LeaderboardRow, TrialView } from "../api/types";
import type { LiveStore } from "../live/store";
import { useRunningNames, type RunningName } from "../live/useLive";
import { followed, groupsOf, type Group } from "../logs/choice";
import { Failure } from "./Failure";
import { LogView } from "./LogView";
import { Panel } from "./Panel";

/** Between two looks at a log that grows. */
const GROWING_REFRESH_MS = 2000;
/** A search is sent once its words have stood still for so long. */
const TYPING_MS = 300;

interface Props {
  store: LiveStore;
  dataset: string;
  rows: readonly LeaderboardRow[];
  /** Colour of each selected configuration. */
  colors: ReadonlyMap<string, number>;
}

/** What a trial's trainer wrote: of the one in the address as `?trial=`, else of one that runs. */
export function LogsPanel({ store, dataset, rows, colors }: Props) {
  const [chosen, go] = useAddress("trial");
  const [text, setText] = useState("");
  const words = useSettled(text, TYPING_MS);
  const running = useRunningNames(store, dataset);
  const failed = useQuery(queries.failed(dataset));
  const groups = useMemo(() => {
    const ticked = rows.filter((row) => colors.has(row.config_id));
    return groupsOf(running, failed.data?.trials ?? [], ticked);
  }, [running, failed.data, rows, colors]);
  const kept = useFollowed(running, groups);
  const id = chosen ?? kept;

  const detail = useQuery({ ...queries.trial(id ?? ""), enabled: id !== null });
  const trial = detail.data?.trial ?? null;
  const attempts = detail.data?.attempts ?? [];
  const isGrowing = attempts.some(({ outcome }) => outcome == null);
  const log = useQuery({
    ...queries.logs(id ?? "", words),
    enabled: id !== null,
    refetchInterval: isGrowing ? GROWING_REFRESH_MS : false,
    // Until a search is answered, the same trial's lines stay.
    placeholderData: (before, query) => (query?.queryKey[1] === id ? before : undefined),
  });
  const error = detail.error ?? log.error;

  return (
    <Panel
      title="Logs"
      className="logs"
      aside={
        <div className="board-tools">
          <TrialPicker chosen={chosen} trial={trial} groups={groups} onTrial={(next) => go({ dataset, trial: next })} />
          <input
            type="search"
            className="filter"
            placeholder="Search: val_top1"
            aria-label="Search the log lines"
            maxLength={200}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        </div>
      }
    >
      {failed.error && <Failure what="the failed trials" error={failed.error} onRetry={() => void failed.refetch()} />}
      {error && <Failure what="the log" error={error} onRetry={() => void Promise.all([detail.refetch(), log.refetch()])} />}
      {id === null && <p className="empty">No trial to show yet: the log of the next one that runs appears here.</p>}
      {trial && <Facts trial={trial} dataset={dataset} />}
      {id !== null && log.data && (
        <LogView
          trial={id}
          name={trial?.label ?? "the trial"}
          state={trial?.state ?? null}
          log={log.data}
          words={words}
          isSearching={log.isPlaceholderData}
          hasAttempts={attempts.length > 1}
        />
      )}
    </Panel>
  );
}

/** The trial that is shown while nobody chose one. */
function useFollowed(running: readonly RunningName[], groups: readonly Group[]): string | null {
  const [kept, setKept] = useState<string | null>(null);
  const next = followed(kept, running, groups);
  if (next !== kept) setKept(next);
  return next;
}

/** `value`, once it has not changed for `ms`. */
function useSettled(value: string, ms: number): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}

interface PickerProps {
  /** Null: the page chooses. */
  chosen: string | null;
  /** The one on show. */
  trial: TrialView | null;
  groups: readonly Group[];
  onTrial: (id: string | null) => void;
}

function TrialPicker({ chosen, trial, groups, onTrial }: PickerProps) {
  const isListed = groups.some(({ choices }) => choices.some(({ id }) => id === chosen));
  return (
    <select
      className="trial-picker"
      aria-label="Trial whose log is shown"
      value={chosen ?? ""}
      onChange={(event) => onTrial(event.target.value || null)}
    >
      <option value="">Follow what trains</option>
      {chosen !== null && !isListed && <option value={chosen}>{trial?.label ?? chosen}</option>}
      {groups.map(({ name, choices }) => (
        <optgroup key={name} label={name}>
          {choices.map(({ id, text }) => (
            <option key={id} value={id}>
              {text}
            </option>
          ))}
        </optgroup>
      ))}
    </select>
  );
}

/** Which trial it is, and why it failed if it did. */
function Facts({ trial, dataset }: { trial: TrialView; dataset: string }) {
  return (
    <>
      <p className="muted study-name">
        {trial.label} · seed {trial.seed} · {trial.state}
        {trial.dataset !== dataset && ` · on ${trial.dataset}`}
      </p>
      {trial.state === "failed" && trial.error && <p className="log-error">{trial.error}</p>}
    </>
  );
}
