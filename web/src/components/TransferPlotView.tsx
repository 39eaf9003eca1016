import type { TransferStudy } from "../api/types";
import { heightOf, transferPlot, type PlotPoint } from "../charts/transferPlot";

/** Accuracy of both arms over the budget, in a small picture. */
export function TransferPlotView({ study }: { study: TransferStudy }) {
  const plot = transferPlot(study);
  if (plot.pretrained.length + plot.random.length === 0) return null;
  return (
    <figure className="transfer-plot">
      <div className="plot-area">
        <svg aria-hidden="true">
          {plot.axis.ticks.map((tick) => (
            <g key={tick}>
              <line className="axis-grid" x1="0" x2="100%" y1={`${heightOf(plot.axis, tick)}%`} y2={`${heightOf(plot.axis, tick)}%`} />
              <text className="plot-tick" x="-6" y={`${heightOf(plot.axis, tick)}%`} dy="4" textAnchor="end">
                {Number((tick * 100).toFixed(1))}
              </text>
            </g>
          ))}
          {plot.budgets.map(({ epochs, x }) => (
            <text key={epochs} className="plot-tick" x={`${x}%`} y="100%" dy="16" textAnchor="middle">
              {epochs} ep
            </text>
          ))}
          <Arm name="random" points={plot.random} />
          <Arm name="pretrained" points={plot.pretrained} />
        </svg>
      </div>
      <figcaption className="legend-keys">
        <span className="key key-pretrained">pretrained</span>
        <span className="key key-random">random weights</span>
        <span className="muted">%, each at its best lr on validation</span>
      </figcaption>
    </figure>
  );
}

function Arm({ name, points }: { name: "pretrained" | "random"; points: readonly PlotPoint[] }) {
  return (
    <g className={`arm arm-${name}`}>
      {points.slice(1).map((point, idx) => {
        const from = points[idx]!;
        return <line key={point.arm.config_id} className="arm-line" x1={`${from.x}%`} y1={`${from.y}%`} x2={`${point.x}%`} y2={`${point.y}%`} />;
      })}
      {points.map(({ x, y, top, bottom, arm }) => (
        <g key={arm.config_id}>
          <line className="whisker" x1={`${x}%`} x2={`${x}%`} y1={`${top}%`} y2={`${bottom}%`} />
          <circle className="dot" cx={`${x}%`} cy={`${y}%`} r="3.5" />
        </g>
      ))}
    </g>
  );
}
