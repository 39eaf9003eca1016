import { useCallback } from "react";

import { useAddress } from "../address";
import type { DatasetView } from "../api/types";

/** The dataset on show, in the address as `?dataset=`. */
export function useDataset(datasets: readonly DatasetView[] | undefined): [DatasetView | null, (name: string) => void] {
  const [name, go] = useAddress("dataset");
  // A trial is one of its dataset's.
  const choose = useCallback((next: string) => go({ dataset: next, trial: null }), [go]);
  const chosen = datasets?.find((dataset) => dataset.name === name) ?? datasets?.[0] ?? null;
  return [chosen, choose];
}
