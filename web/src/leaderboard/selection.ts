/** Selected rows and their colours: a row keeps its colour while others come and go. Pure. */

import type { LeaderboardRow } from "../api/types";

/** As many as the palette tells apart. */
export const MAX_SELECTED = 8;
const N_DEFAULT = 3;

/** Config ids by colour; null where a colour is free. */
export type Slots = readonly (string | null)[];

export function defaultSlots(rows: readonly LeaderboardRow[]): Slots {
  return rows.slice(0, N_DEFAULT).map((row) => row.config_id);
}

/** Takes `configId` out, or puts it at the first free colour; unchanged where none is free. */
export function toggleSlot(slots: Slots, configId: string): Slots {
  if (slots.includes(configId)) return slots.map((id) => (id === configId ? null : id));
  const free = slots.indexOf(null);
  if (free >= 0) return slots.map((id, idx) => (idx === free ? configId : id));
  return slots.length < MAX_SELECTED ? [...slots, configId] : slots;
}

export function colorsOf(slots: Slots): ReadonlyMap<string, number> {
  return new Map(slots.flatMap((id, color) => (id === null ? [] : [[id, color] as const])));
}
