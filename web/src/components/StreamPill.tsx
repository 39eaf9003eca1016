import { useEffect, useState } from "react";

import type { StreamState } from "../api/stream";

/** Says whether what is shown is live. */
export function StreamPill({ stream }: { stream: StreamState }) {
  const seconds = useSecondsUntil(stream.status === "waiting" ? stream.retryAt : null);
  const text =
    stream.status === "live" ? "Live" : stream.status === "connecting" ? "Connecting…" : `Reconnecting in ${seconds} s`;
  return (
    <span className={`pill pill-${stream.status}`} data-stream={stream.status} title={explain(stream)}>
      <span className="pill-dot" aria-hidden="true" />
      {text}
      {/* The countdown is not read out, the change is. */}
      <span className="visually-hidden" role="status">
        {stream.status === "live" ? "live updates on" : stream.status === "waiting" ? "live updates lost" : ""}
      </span>
    </span>
  );
}

function explain(stream: StreamState): string {
  if (stream.status === "live") return "The page follows the server's event stream";
  if (stream.status === "connecting") return "Opening the server's event stream";
  return `The event stream was lost (attempt ${stream.attempt}); the page catches up when it is back`;
}

function useSecondsUntil(time: number | null): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (time === null) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [time]);
  return time === null ? 0 : Math.max(0, Math.ceil((time - now) / 1000));
}
