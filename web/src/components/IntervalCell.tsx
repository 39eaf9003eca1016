import { layoutInterval, position, type Axis } from "../charts/axis";
import type { Estimate, SotaEntry } from "../api/types";

/** The common scale behind a row: a line at each tick, and the leader's interval as a band. */
export function AxisGrid({ axis, band }: { axis: Axis; band: Estimate | null }) {
  const layout = band && layoutInterval(axis, band);
  return (
    <>
      {layout && <rect className="axis-band" x={`${layout.left}%`} width={`${layout.width}%`} y="0" height="100%" />}
      {axis.ticks.map((tick) => (
        <line key={tick} className="axis-grid" x1={`${position(axis, tick)}%`} x2={`${position(axis, tick)}%`} y1="0" y2="100%" />
      ))}
    </>
  );
}

interface EstimatesProps {
  axis: Axis;
  band: Estimate | null;
  val: Estimate | null;
  test: Estimate | null;
}

/** Validation above, test (where the split was opened) below. The figures stand in the cells beside. */
export function EstimatesCell({ axis, band, val, test }: EstimatesProps) {
  return (
    <svg className="interval" aria-hidden="true">
      <AxisGrid axis={axis} band={band} />
      <svg y="50%" overflow="visible">
        {val && <Bar axis={axis} estimate={val} y={test ? -7 : 0} kind="val" />}
        {test && <Bar axis={axis} estimate={test} y={7} kind="test" />}
      </svg>
    </svg>
  );
}

function Bar({ axis, estimate, y, kind }: { axis: Axis; estimate: Estimate; y: number; kind: "val" | "test" }) {
  const { dot, left, width } = layoutInterval(axis, estimate);
  const ends = [left, left + width];
  return (
    <g className={`estimate ${kind} ${estimate.n === 1 ? "single" : ""}`}>
      <line className="whisker" x1={`${left}%`} x2={`${left + width}%`} y1={y} y2={y} />
      {ends.map((end) => (
        <line key={end} className="whisker" x1={`${end}%`} x2={`${end}%`} y1={y - 3} y2={y + 3} />
      ))}
      <circle className="dot" cx={`${dot}%`} cy={y} r={4} />
    </g>
  );
}

/** A published value: a diamond, with its standard deviation where the paper gives one. */
export function PublishedCell({ axis, band, entry }: { axis: Axis; band: Estimate | null; entry: SotaEntry }) {
  const x = `${position(axis, entry.value)}%`;
  return (
    <svg className="interval" aria-hidden="true">
      <AxisGrid axis={axis} band={band} />
      {entry.std != null && (
        <line
          className="published-std"
          x1={`${position(axis, entry.value - entry.std)}%`}
          x2={`${position(axis, entry.value + entry.std)}%`}
          y1="50%"
          y2="50%"
        />
      )}
      <svg x={x} y="50%" overflow="visible">
        <rect className={`diamond ${entry.confidence}`} x="-4.5" y="-4.5" width="9" height="9" transform="rotate(45)" />
      </svg>
    </svg>
  );
}

/** Tick labels in the table's head. */
export function AxisHead({ axis }: { axis: Axis }) {
  const last = axis.ticks.length - 1;
  return (
    <svg className="axis-head" aria-hidden="true">
      {axis.ticks.map((tick, idx) => (
        <text
          key={tick}
          x={`${position(axis, tick)}%`}
          y="12"
          textAnchor={idx === 0 ? "start" : idx === last ? "end" : "middle"}
        >
          {Number((tick * 100).toFixed(1))}
          {idx === last ? "%" : ""}
        </text>
      ))}
    </svg>
  );
}
