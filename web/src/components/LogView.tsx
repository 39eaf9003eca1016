import { memo, useLayoutEffect, useMemo, useRef } from "react";

import type { TrialState } from "../api/types";
import { count, plural } from "../format";
import { blocksOf, isCut, MAX_LINES, type Log } from "../logs/lines";

/** Pixels from the end that still count as the end: sizes are rounded. */
const NEAR_END = 8;

interface Props {
  /** Id of the trial; its name is what a screen reader is told. */
  trial: string;
  name: string;
  /** State of the trial; null until it is known. */
  state: TrialState | null;
  log: Log;
  /** What was searched for; empty: nothing. */
  words: string;
  /** The lines of this search are on their way, `log` has those from before. */
  isSearching: boolean;
  /** Attempts are told apart though lines of one alone are shown. */
  hasAttempts: boolean;
}

/** Log lines in a box that shows the last ones, until its reader scrolls up. */
export function LogView({ trial, name, state, log, words, isSearching, hasAttempts }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const isFollowing = useRef(true);
  // Another log or search starts from its end.
  useLayoutEffect(() => {
    isFollowing.current = true;
  }, [trial, words]);
  useLayoutEffect(() => {
    if (box.current && isFollowing.current) box.current.scrollTop = box.current.scrollHeight;
  }, [trial, words, log]);
  const n = log.lines.length;
  return (
    <>
      {n === 0 ? (
        <p className="empty">{isSearching ? "Searching…" : emptyText(words, state)}</p>
      ) : (
        // Not read out by itself: a trainer says more than anybody can hear.
        <div
          ref={box}
          className="log-box"
          role="log"
          aria-live="off"
          aria-label={`Log lines of ${name}`}
          aria-busy={isSearching}
          tabIndex={0}
          onScroll={({ currentTarget }) => {
            isFollowing.current = isAtEnd(currentTarget);
          }}
        >
          <Blocks log={log} hasAttempts={hasAttempts} />
        </div>
      )}
      <p className="log-foot muted">
        {isCut(log) && <span>only the last {count(MAX_LINES)} lines{words === "" && "; a search reads all"}</span>}
        <span className="num" role={words === "" ? undefined : "status"}>
          {isSearching ? "searching…" : words === "" ? plural(n, "line") : `${plural(n, "line")} found`}
        </span>
      </p>
    </>
  );
}

/** Redrawn with the log alone, not with every key of a search. */
const Blocks = memo(function Blocks({ log, hasAttempts }: { log: Log; hasAttempts: boolean }) {
  const blocks = useMemo(() => blocksOf(log.lines), [log]);
  return blocks.map(({ attempt, lines }) => (
    <section key={attempt}>
      {(hasAttempts || blocks.length > 1) && <h3 className="eyebrow">Attempt {attempt}</h3>}
      <pre className="log-lines">
        {lines.map(({ no, text }) => (
          <span key={no} className="log-line">
            {text}
          </span>
        ))}
      </pre>
    </section>
  ));
});

export function isAtEnd({ scrollTop, scrollHeight, clientHeight }: Pick<Element, "scrollTop" | "scrollHeight" | "clientHeight">): boolean {
  return scrollHeight - scrollTop - clientHeight <= NEAR_END;
}

function emptyText(words: string, state: TrialState | null): string {
  if (words !== "") return `No line holds “${words}”.`;
  switch (state) {
    case "queued":
      return "No log lines yet: the trial waits for a worker.";
    case "completed":
    case "pruned":
    case "failed":
    case "cancelled":
      return "No log lines: the trial ended without one.";
    default:
      return "No log lines yet.";
  }
}
