import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";

import { queries } from "../api/queries";
import type { SessionView } from "../api/types";
import { CurvesPanel } from "../components/CurvesPanel";
import { Failure } from "../components/Failure";
import { Header } from "../components/Header";
import { LeaderboardPanel } from "../components/LeaderboardPanel";
import { LivePanel } from "../components/LivePanel";
import { LogsPanel } from "../components/LogsPanel";
import { NoDataset } from "../components/NoDataset";
import { SweepsPanel } from "../components/SweepsPanel";
import { TransferPanel } from "../components/TransferPanel";
import { countTrials } from "../leaderboard/counts";
import { useSelection } from "../leaderboard/useSelection";
import { useDataset } from "../leaderboard/useDataset";
import { useLive, useRunningCount } from "../live/useLive";

/** The page: one dataset's leaderboard and everything that moves on it. */
export function LeaderboardPage({ session }: { session: SessionView }) {
  const datasets = useQuery(queries.datasets());
  const [dataset, setDataset] = useDataset(datasets.data);
  const name = dataset?.name ?? "";
  const live = useLive(dataset?.name ?? null);
  const isLive = live.stream.status === "live";
  const asked = { enabled: name !== "", refetchInterval: isLive ? SAFETY_MS : OFFLINE_MS };
  const board = useQuery({ ...queries.leaderboard(name), ...asked });
  const sweeps = useQuery({ ...queries.sweeps(), refetchInterval: asked.refetchInterval });
  const queued = useQuery({ ...queries.queued(name), ...asked });
  const nRunning = useRunningCount(live.store, name);
  const selection = useSelection(name, board.data?.rows);
  const counts = sweeps.data && !board.isPending ? countTrials(name, sweeps.data, queued.data, nRunning, board.data) : null;
  const mayCancel = session.scope === "submitter" || session.scope === "admin";

  useEffect(() => {
    document.title = [nRunning > 0 ? `${nRunning} running` : "", name, "Cultivar"].filter(Boolean).join(" · ");
  }, [nRunning, name]);

  return (
    <>
      <Header
        datasets={datasets.data ?? []}
        dataset={dataset}
        onDataset={setDataset}
        counts={counts}
        nTestAccesses={board.data?.n_test_accesses ?? null}
        stream={live.stream}
      />
      {datasets.error && <Failure what="the datasets" error={datasets.error} onRetry={() => void datasets.refetch()} />}
      {board.error && <Failure what="the leaderboard" error={board.error} onRetry={() => void board.refetch()} />}
      {datasets.data?.length === 0 && <NoDataset />}
      {dataset && (
        <div className="columns" key={dataset.name}>
          <main className="column-main">
            {board.data ? <LeaderboardPanel board={board.data} selection={selection} /> : <div className="card skeleton" />}
            <LogsPanel store={live.store} dataset={name} rows={board.data?.rows ?? NO_ROWS} colors={selection.colors} />
          </main>
          <aside className="column-side" aria-label="Progress and analysis">
            <LivePanel store={live.store} dataset={name} mayCancel={mayCancel} />
            <CurvesPanel store={live.store} dataset={name} rows={board.data?.rows ?? NO_ROWS} colors={selection.colors} />
            <TransferPanel dataset={name} />
            <SweepsPanel dataset={name} />
          </aside>
        </div>
      )}
    </>
  );
}

/** Events say what changed; asking anyway once in a while costs little, and often while they are lost. */
const SAFETY_MS = 60_000;
const OFFLINE_MS = 10_000;
const NO_ROWS: never[] = [];
