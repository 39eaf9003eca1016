import { QueryCache, QueryClient, QueryClientProvider, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { queries } from "./api/queries";
import { ApiError } from "./api/request";
import { logIn, takeLoginToken } from "./api/session";
import { LeaderboardPage } from "./pages/Leaderboard";
import { SignInPage } from "./pages/SignIn";

const sessionKey = queries.session().queryKey;

function createClient(): QueryClient {
  const client = new QueryClient({
    queryCache: new QueryCache({
      // A session that ran out shows the way back in, wherever it is noticed.
      onError: (error) => {
        if (error instanceof ApiError && error.isUnauthorized) client.setQueryData(sessionKey, null);
      },
    }),
    defaultOptions: {
      queries: {
        staleTime: 30_000,
        retry: (failures, error) => failures < 3 && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
      },
    },
  });
  return client;
}

export function App({ loginToken }: { loginToken: string | null }) {
  const [client] = useState(createClient);
  return (
    <QueryClientProvider client={client}>
      <Gate client={client} loginToken={loginToken} />
    </QueryClientProvider>
  );
}

/** Exchanges login tokens, the first and any that a link opened in this tab brings later. */
function useLogin(client: QueryClient, loginToken: string | null) {
  const [pending, setPending] = useState(loginToken);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    const onHashChange = () => {
      const token = takeLoginToken();
      if (token) setPending(token);
    };
    window.addEventListener("hashchange", onHashChange);
    return () => window.removeEventListener("hashchange", onHashChange);
  }, []);
  useEffect(() => {
    if (pending === null) return;
    void exchangeOnce(pending)
      .then((session) => {
        client.setQueryData(sessionKey, session);
        setError(null);
        void client.invalidateQueries({ predicate: (query) => query.queryKey[0] !== "session" });
      })
      .catch((cause: unknown) => setError(cause instanceof Error ? cause.message : String(cause)))
      .finally(() => setPending(null));
  }, [client, pending]);
  return { isPending: pending !== null, error, submit: setPending };
}

/** One exchange a token: React's strict mode runs effects twice, the server takes it once. */
const exchanges = new Map<string, ReturnType<typeof logIn>>();
function exchangeOnce(token: string): ReturnType<typeof logIn> {
  let exchange = exchanges.get(token);
  if (!exchange) {
    exchange = logIn(token);
    exchanges.set(token, exchange);
  }
  return exchange;
}

function Gate({ client, loginToken }: { client: QueryClient; loginToken: string | null }) {
  const login = useLogin(client, loginToken);
  const session = useQuery({ ...queries.session(), enabled: !login.isPending });
  if (login.isPending || session.isPending) return <p className="splash">Opening Cultivar…</p>;
  if (session.data) return <LeaderboardPage session={session.data} />;
  return <SignInPage error={login.error ?? session.error?.message ?? null} onToken={login.submit} />;
}
