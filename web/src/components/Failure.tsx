interface Props {
  what: string;
  error: Error;
  onRetry: () => void;
}

/** An answer that did not come, in the server's words, and a way to ask again. */
export function Failure({ what, error, onRetry }: Props) {
  return (
    <div className="alert" role="alert">
      <span>
        Could not load {what}: {error.message}.
      </span>
      <button type="button" className="button" onClick={onRetry}>
        Try again
      </button>
    </div>
  );
}
