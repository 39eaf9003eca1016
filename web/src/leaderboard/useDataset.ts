import { useCallback, useEffect, useState } from "react";

import type { DatasetView } from "../api/types";

/** The dataset on show, kept in the address as `?dataset=`, so that a link and a reload find it again. */
export function useDataset(datasets: readonly DatasetView[] | undefined): [DatasetView | null, (name: string) => void] {
  const [name, setName] = useState(nameInAddress);
  useEffect(() => {
    const onBack = () => setName(nameInAddress());
    window.addEventListener("popstate", onBack);
    return () => window.removeEventListener("popstate", onBack);
  }, []);
  const choose = useCallback((next: string) => {
    const url = new URL(window.location.href);
    url.searchParams.set("dataset", next);
    window.history.pushState(null, "", url);
    setName(next);
  }, []);
  const chosen = datasets?.find((dataset) => dataset.name === name) ?? datasets?.[0] ?? null;
  return [chosen, choose];
}

function nameInAddress(): string | null {
  return new URLSearchParams(window.location.search).get("dataset");
}
