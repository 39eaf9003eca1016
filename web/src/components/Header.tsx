import type { StreamState } from "../api/stream";
import type { DatasetView } from "../api/types";
import { count, plural } from "../format";
import type { TrialCounts } from "../leaderboard/counts";
import { Mark } from "./Mark";
import { StreamPill } from "./StreamPill";

interface Props {
  datasets: readonly DatasetView[];
  dataset: DatasetView | null;
  onDataset: (name: string) => void;
  counts: TrialCounts | null;
  nTestAccesses: number | null;
  stream: StreamState;
}

export function Header({ datasets, dataset, onDataset, counts, nTestAccesses, stream }: Props) {
  return (
    <header className="top">
      <div className="top-row">
        <h1 className="wordmark">
          <Mark /> Cultivar
        </h1>
        <label className="picker">
          <span className="visually-hidden">Dataset</span>
          <select value={dataset?.name ?? ""} onChange={(event) => onDataset(event.target.value)} disabled={datasets.length === 0}>
            {datasets.length === 0 && <option value="">no dataset</option>}
            {datasets.map(({ name }) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        {dataset && <DatasetFacts dataset={dataset} />}
        <StreamPill stream={stream} />
      </div>
      <dl className="counts">
        <Count id="queued" name="Queued" value={counts?.queued} />
        <Count id="running" name="Running" value={counts?.running} tone={counts?.running ? "good" : ""} />
        <Count id="completed" name="Done" value={counts?.completed} />
        <Count
          id="failed"
          name="Failed"
          value={counts?.failed}
          tone={counts?.failed ? "bad" : ""}
          title={counts?.stopped ? `and ${count(counts.stopped)} cancelled or pruned` : ""}
        />
        <Count
          id="test-accesses"
          name="Test accesses"
          value={nTestAccesses}
          title="How often the test split was opened. The fewer, the more a test number is worth"
        />
      </dl>
    </header>
  );
}

function DatasetFacts({ dataset }: { dataset: DatasetView }) {
  return (
    <p className="facts" title={`version ${dataset.version}`}>
      {dataset.title && dataset.title !== dataset.name && <span>{dataset.title}</span>}
      <span>{plural(dataset.n_classes, "class", "classes")}</span>
      <span>
        {count(dataset.n_train)} train · {count(dataset.n_val)} val · {count(dataset.n_test)} test images
      </span>
      <span>{plural(dataset.n_groups, "group")}</span>
    </p>
  );
}

interface CountProps {
  id: string;
  name: string;
  value: number | null | undefined;
  tone?: string;
  title?: string;
}

function Count({ id, name, value, tone = "", title }: CountProps) {
  return (
    <div className={`count ${tone}`} title={title} data-count={id}>
      <dt>{name}</dt>
      <dd>{count(value)}</dd>
    </div>
  );
}
