import { useDeferredValue, useMemo, useState } from "react";

import { axisOf } from "../charts/axis";
import type { Leaderboard } from "../api/types";
import { count } from "../format";
import { sharedFacets, varyingFacets, type Facet } from "../leaderboard/facets";
import { axisValues, filterLines, MAX_ROWS, mergeLines, PAGE_SIZE, pageOf, rankedEstimate } from "../leaderboard/rows";
import { LeaderboardTable, type Selection } from "./LeaderboardTable";
import { Panel } from "./Panel";

interface Props {
  board: Leaderboard;
  selection: Selection;
}

export function LeaderboardPanel({ board, selection }: Props) {
  const [text, setText] = useState("");
  const [showPublished, setShowPublished] = useState(true);
  const [pageIdx, setPageIdx] = useState(0);
  const filter = useDeferredValue(text);

  const lines = useMemo(() => mergeLines(board, showPublished), [board, showPublished]);
  const found = useMemo(() => filterLines(lines, filter), [lines, filter]);
  const axis = useStableAxis(found);
  const varying = useMemo(() => varyingFacets(board.rows), [board.rows]);
  const page = pageOf(found, pageIdx);
  const top = board.rows[0];
  const band = top ? rankedEstimate(top, board.metric) : null;

  return (
    <Panel
      title="Leaderboard"
      className="leaderboard"
      aside={
        <div className="board-tools">
          {board.sota.length > 0 && (
            <label className="check">
              <input type="checkbox" checked={showPublished} onChange={(event) => setShowPublished(event.target.checked)} />
              published results
            </label>
          )}
          <input
            type="search"
            className="filter"
            placeholder="Filter: ranger random…"
            aria-label="Filter the leaderboard"
            value={text}
            onChange={(event) => {
              setText(event.target.value);
              setPageIdx(0);
            }}
          />
        </div>
      }
    >
      <Legend board={board} />
      {board.rows.length > 1 && <Shared facets={sharedFacets(board.rows, varying)} />}
      {board.rows.length === 0 && (
        <p className="empty roomy">
          No configuration has finished on this dataset yet. Rows appear here as soon as their first trial is done.
        </p>
      )}
      {found.length > 0 && (
        <LeaderboardTable lines={page.lines} axis={axis} band={band} varying={varying} selection={selection} />
      )}
      {lines.length > 0 && found.length === 0 && <p className="empty roomy">No row has all of these words.</p>}
      {page.nPages > 1 && <Pager idx={page.idx} nPages={page.nPages} nLines={found.length} onPage={setPageIdx} />}
      <Notes board={board} />
    </Panel>
  );
}

/** The same axis object while its ends stay: rows need not redraw with every answer. */
function useStableAxis(found: ReturnType<typeof filterLines>) {
  const axis = useMemo(() => axisOf(axisValues(found)), [found]);
  const [kept, setKept] = useState(axis);
  const isSame = kept.low === axis.low && kept.high === axis.high;
  if (!isSame) setKept(axis);
  return isSame ? kept : axis;
}

function Legend({ board }: { board: Leaderboard }) {
  const hasTest = board.rows.some((row) => row.test_top1);
  return (
    <p className="legend">
      <span>
        Ranked by {board.metric === "test_top1" ? "test" : "validation"} top-1 accuracy, mean over seeds with its 95% interval
      </span>
      {board.sota.length === 0 && <span data-empty="sota">No published results registered for this dataset</span>}
      <span className="legend-keys" aria-hidden="true">
        <span className="key key-val">validation</span>
        <span className="key key-single">one seed</span>
        {hasTest && <span className="key key-test">test</span>}
        {board.sota.length > 0 && <span className="key key-published">published (test; hollow: secondary)</span>}
        {board.rows.length > 0 && <span className="key key-band">top row’s interval</span>}
      </span>
    </p>
  );
}

/** Said once here rather than in every row. */
function Shared({ facets }: { facets: Facet[] }) {
  return (
    <p className="shared">
      <span className="muted">All rows: </span>
      {facets.length === 0 ? "nothing in common" : facets.map((facet) => facet.text).join(" · ")}
    </p>
  );
}

function Pager({ idx, nPages, nLines, onPage }: { idx: number; nPages: number; nLines: number; onPage: (idx: number) => void }) {
  const first = idx * PAGE_SIZE + 1;
  return (
    <nav className="pager" aria-label="Pages of the leaderboard">
      <button type="button" className="button" disabled={idx === 0} onClick={() => onPage(0)}>
        First
      </button>
      <button type="button" className="button" disabled={idx === 0} onClick={() => onPage(idx - 1)}>
        Previous
      </button>
      <span className="num" aria-live="polite">
        {count(first)}–{count(Math.min(first + PAGE_SIZE - 1, nLines))} of {count(nLines)}
      </span>
      <button type="button" className="button" disabled={idx === nPages - 1} onClick={() => onPage(idx + 1)}>
        Next
      </button>
      <button type="button" className="button" disabled={idx === nPages - 1} onClick={() => onPage(nPages - 1)}>
        Last
      </button>
    </nav>
  );
}

/** What a reader must know to read the table right: the server's words, and those for the page's own signs. */
function Notes({ board }: { board: Leaderboard }) {
  return (
    <ul className="notes">
      {board.notes.map((note) => (
        <li key={note}>{note}</li>
      ))}
      {board.rows.length >= MAX_ROWS && <li>only the best {count(MAX_ROWS)} configurations are shown</li>}
      {board.rows.length > 1 && (
        <li>“open” beside a p value: after Holm’s correction the data do not separate the row from the top one at 5%</li>
      )}
    </ul>
  );
}
