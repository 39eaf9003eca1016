/** What the page shows, kept in its address, so that a link and a reload find it again. */

import { useCallback, useEffect, useState } from "react";

/** Values by the names they have in the query; null: not there. */
export type Words = Record<string, string | null>;

/** The value of one name, and a way to change it, others along with it. */
export function useAddress(name: string): [string | null, (words: Words) => void] {
  const [value, setValue] = useState(() => inAddress(name));
  useEffect(() => {
    const onBack = () => setValue(inAddress(name));
    window.addEventListener("popstate", onBack);
    return () => window.removeEventListener("popstate", onBack);
  }, [name]);
  const go = useCallback(
    (words: Words) => {
      window.history.pushState(null, "", addressWith(window.location.href, words));
      setValue(inAddress(name));
    },
    [name],
  );
  return [value, go];
}

/** `href` with `words` in its query. */
export function addressWith(href: string, words: Words): string {
  const url = new URL(href);
  for (const [name, value] of Object.entries(words)) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  return url.href;
}

function inAddress(name: string): string | null {
  return new URLSearchParams(window.location.search).get(name);
}
