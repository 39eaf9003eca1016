import { useCallback, useMemo, useState } from "react";

import type { LeaderboardRow } from "../api/types";
import { colorsOf, defaultSlots, MAX_SELECTED, toggleSlot, type Slots } from "./selection";

/** Which rows' curves are drawn: the top ones, until somebody chooses. */
export function useSelection(dataset: string, rows: readonly LeaderboardRow[] | undefined) {
  const [chosen, setChosen] = useState<{ dataset: string; slots: Slots } | null>(null);
  const slots = useMemo(
    () => (chosen?.dataset === dataset ? chosen.slots : defaultSlots(rows ?? [])),
    [chosen, dataset, rows],
  );
  const toggle = useCallback(
    (configId: string) => setChosen({ dataset, slots: toggleSlot(slots, configId) }),
    [dataset, slots],
  );
  const key = slots.join(" ");
  // The same map while the same rows are selected, whatever else a new answer brought.
  const colors = useMemo(() => colorsOf(slots), [key]);
  return { colors, isFull: colors.size >= MAX_SELECTED, toggle };
}
