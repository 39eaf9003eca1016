import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

import { cancelTrial } from "../api/queries";

/** Cancels a trial on the second press; leaving the button takes the first one back. */
export function CancelButton({ trial, label }: { trial: string; label: string }) {
  const [isArmed, setArmed] = useState(false);
  const cancel = useMutation({ mutationFn: () => cancelTrial(trial) });
  const text = cancel.isError ? "failed" : cancel.isPending || cancel.isSuccess ? "stopping" : isArmed ? "sure?" : "cancel";
  return (
    <button
      type="button"
      className={`button tiny ${isArmed ? "danger" : ""}`}
      aria-label={isArmed ? `Really cancel ${label}` : `Cancel ${label}`}
      title={cancel.error?.message}
      disabled={cancel.isPending || cancel.isSuccess}
      onBlur={() => setArmed(false)}
      onClick={() => {
        if (!isArmed) return setArmed(true);
        setArmed(false);
        cancel.mutate();
      }}
    >
      {text}
    </button>
  );
}
