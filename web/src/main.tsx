import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./App";
import { takeLoginToken } from "./api/session";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/leaderboard.css";
import "./styles/panels.css";
import "./styles/logs.css";

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    {/* Taken before anything renders: the token works once, and effects may run twice. */}
    <App loginToken={takeLoginToken()} />
  </StrictMode>,
);
