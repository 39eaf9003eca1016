import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { MAX_QUEUED, queries } from "../api/queries";
import type { TrialView } from "../api/types";
import { decimal, eta, percent, rate, words } from "../format";
import { useRunning } from "../live/useLive";
import type { LiveStore } from "../live/store";
import type { LiveTrial } from "../live/trials";
import { CancelButton } from "./CancelButton";
import { Panel } from "./Panel";

const N_NEXT = 5;
/** Height of a running trial's row in pixels, and how many such rows keep their room once they had it. */
const ROW_HEIGHT = 98;
const MAX_KEPT_ROWS = 2;

interface Props {
  store: LiveStore;
  dataset: string;
  mayCancel: boolean;
}

/** What trains right now, and what comes next. */
export function LivePanel({ store, dataset, mayCancel }: Props) {
  const running = useRunning(store, dataset);
  const queued = useQuery(queries.queued(dataset));
  const next = (queued.data?.trials ?? []).filter((trial) => !running.some(({ id }) => id === trial.id));
  const more = next.length - N_NEXT;
  const isIdle = running.length + next.length === 0;
  const nKept = useHighWater(Math.min(running.length, MAX_KEPT_ROWS), isIdle);
  return (
    <Panel title="Training now" className="live" aside={<span className="muted num">{running.length} running</span>}>
      <div className={isIdle ? "live-scroll idle" : "live-scroll"} tabIndex={0} role="group" aria-label="Running and queued trials">
        <ul className="live-list" style={{ minHeight: nKept * ROW_HEIGHT }}>
          {running.length === 0 && (
            <li className="empty">
              {next.length > 0 ? "Waiting for a worker to take the next trial." : "Nothing is running. Submit a sweep and watch it here."}
            </li>
          )}
          {running.map((trial) => (
            <RunningRow key={trial.id} trial={trial} mayCancel={mayCancel} />
          ))}
        </ul>
        {next.length > 0 && (
          <>
            <h3 className="eyebrow">Up next</h3>
            <ol className="next-list">
              {next.slice(0, N_NEXT).map((trial) => (
                <NextRow key={trial.id} trial={trial} />
              ))}
              {more > 0 && (
                <li className="muted">
                  and {more}
                  {next.length >= MAX_QUEUED ? " or more" : ""} more
                </li>
              )}
            </ol>
          </>
        )}
      </div>
    </Panel>
  );
}

/** The most `n` has been: between two trials the rows below stay where they are. */
function useHighWater(n: number, isReset: boolean): number {
  const [most, setMost] = useState(n);
  const next = isReset ? 0 : Math.max(most, n);
  if (next !== most) setMost(next);
  return next;
}

function NextRow({ trial }: { trial: TrialView }) {
  return (
    <li title={trial.label}>
      <span className="ellipsis">{trial.label}</span>
      <span className="muted num">seed {trial.seed}</span>
    </li>
  );
}

function RunningRow({ trial, mayCancel }: { trial: LiveTrial; mayCancel: boolean }) {
  const { progress } = trial;
  const name = trial.label ?? "starting…";
  const done = progress && progress.n_steps > 0 ? Math.min(progress.step / progress.n_steps, 1) : 0;
  return (
    <li className="live-row" data-trial={trial.id}>
      <div className="live-title">
        <span className="live-label" title={name}>
          {name}
          {trial.seed !== null && <span className="muted num"> · seed {trial.seed}</span>}
        </span>
        {trial.nAttempts > 1 && (
          <span className="chip warn" title="It was interrupted and goes on from its checkpoint">
            attempt {trial.nAttempts}
          </span>
        )}
        {mayCancel && <CancelButton trial={trial.id} label={name} />}
      </div>
      <EpochBar label={name} done={done} nEpochs={progress?.n_epochs ?? 0} />
      <dl className="live-figures">
        <Figure name={progress ? words(progress.phase) : "waiting"} value={progress ? `${progress.epoch}/${progress.n_epochs} ep` : "–"} />
        <Figure name="step" value={progress ? `${progress.step}/${progress.n_steps}` : "–"} />
        <Figure name="loss" value={decimal(progress?.train_loss, 2)} />
        <Figure name="val %" value={percent(progress?.val_top1)} />
        <Figure name="img/s" value={rate(progress?.images_per_s)} />
        <Figure name="left" value={eta(progress?.eta_s)} />
      </dl>
    </li>
  );
}

/** Steps done, with a notch at each epoch's end. */
function EpochBar({ label, done, nEpochs }: { label: string; done: number; nEpochs: number }) {
  const notches = nEpochs > 1 && nEpochs <= 40 ? nEpochs - 1 : 0;
  return (
    <div className="bar" role="progressbar" aria-label={`Progress of ${label}`} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.floor(done * 100)}>
      <div className="bar-fill" style={{ transform: `scaleX(${done})` }} />
      {Array.from({ length: notches }, (_, i) => (
        <span key={i} className="bar-notch" style={{ left: `${((i + 1) / nEpochs) * 100}%` }} />
      ))}
    </div>
  );
}

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
