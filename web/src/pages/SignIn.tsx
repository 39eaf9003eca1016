import { useState, type FormEvent } from "react";

import { loginTokenIn } from "../api/session";
import { Mark } from "../components/Mark";

/** Where somebody without a session lands. */
export function SignInPage({ error, onToken }: { error: string | null; onToken: (token: string) => void }) {
  const [text, setText] = useState("");
  const token = loginTokenIn(text);
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    if (token) onToken(token);
  };
  return (
    <main className="signin">
      <div className="card signin-card">
        <h1 className="wordmark">
          <Mark /> Cultivar
        </h1>
        <p className="lead">This page is private: it opens by a login URL.</p>
        <ol className="steps">
          <li>
            On this machine, <code>cultivar up</code> prints a login URL. For a server elsewhere, an admin runs{" "}
            <code>cultivar login-url</code>.
          </li>
          <li>Open that URL. It works once, and this browser stays signed in.</li>
        </ol>
        {error && (
          <p className="alert" role="alert">
            That did not work: {error}.
          </p>
        )}
        <form onSubmit={onSubmit}>
          <label htmlFor="login-url">Or paste the login URL or its token</label>
          <div className="field-row">
            <input
              id="login-url"
              type="password"
              autoComplete="off"
              spellCheck={false}
              value={text}
              onChange={(event) => setText(event.target.value)}
              placeholder="http://127.0.0.1:7878/#login=…"
            />
            <button type="submit" className="button primary" disabled={!token}>
              Sign in
            </button>
          </div>
        </form>
      </div>
    </main>
  );
}
