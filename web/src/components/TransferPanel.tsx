import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { queries } from "../api/queries";
import type { TransferStudy } from "../api/types";
import { words } from "../format";
import { asymptoteBenefit, slopeBenefit, startBenefit, type Benefit } from "../leaderboard/benefits";
import { Failure } from "./Failure";
import { Panel } from "./Panel";
import { TransferPlotView } from "./TransferPlotView";

/** Does starting from pretrained weights pay here? */
export function TransferPanel({ dataset }: { dataset: string }) {
  const report = useQuery(queries.transfer(dataset));
  const [idx, setIdx] = useState(0);
  const studies = report.data?.studies ?? [];
  const study = studies[Math.min(idx, studies.length - 1)];
  return (
    <Panel title="Transfer" className="transfer" aside={<span className="muted">pretrained − random weights</span>}>
      {report.error && <Failure what="the transfer report" error={report.error} onRetry={() => void report.refetch()} />}
      {studies.length > 1 && (
        <select className="study-picker" aria-label="Study" value={idx} onChange={(event) => setIdx(Number(event.target.value))}>
          {studies.map((each, i) => (
            <option key={`${each.backbone} ${each.label}`} value={i}>
              {each.backbone} · {each.label}
            </option>
          ))}
        </select>
      )}
      {study ? (
        <Study study={study} />
      ) : (
        report.data && (
          <p className="empty">
            No matched arms yet: run the same full fine-tuning once from pretrained and once from random weights.
          </p>
        )
      )}
      {report.data && report.data.notes.length > 0 && (
        <ul className="notes">
          {report.data.notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

function Study({ study }: { study: TransferStudy }) {
  return (
    <>
      <p className="muted study-name">
        {study.backbone} · {study.label} · {words(study.metric)}
      </p>
      <dl className="benefits">
        <BenefitRow benefit={startBenefit(study.start ?? null)} />
        <BenefitRow benefit={slopeBenefit(study.slope ?? null)} />
        <BenefitRow benefit={asymptoteBenefit(study.asymptote ?? null)} />
      </dl>
      <TransferPlotView study={study} />
    </>
  );
}

function BenefitRow({ benefit }: { benefit: Benefit }) {
  return (
    <div className={benefit.isKnown ? "benefit" : "benefit unknown"} title={benefit.explanation}>
      <dt>{benefit.name}</dt>
      <dd>
        <strong className="figure">{benefit.value}</strong>
        <span className="sub">{benefit.detail}</span>
      </dd>
    </div>
  );
}

