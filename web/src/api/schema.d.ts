// placeholder, replaced by `npm run api`
type Est = components["schemas"]["Estimate"];
export interface components { schemas: {
  Scope: "viewer" | "submitter" | "worker" | "admin";
  SessionView: { scope: components["schemas"]["Scope"]; server_version: string; protocol_version: number };
  Login: { login_token: string };
  ErrorBody: { error: string; code: string; violations?: components["schemas"]["Violation"][]; request_id?: string | null };
  Violation: { pointer: string; message: string };
  Source: { name: string; licence: string; url?: string; n_images: number };
  DatasetView: { name: string; title: string; version: string; n_classes: number; n_train: number; n_val: number; n_test: number; n_groups: number; n_bytes: number; sources: components["schemas"]["Source"][]; created_at: string };
  Estimate: { mean: number; low: number; high: number; n: number };
  Comparison: { difference: number; low: number; high: number; p_holm: number };
  LeaderboardRow: { rank: number; config_id: string; label: string; backbone: string; weights: string; adaptation: string; activation: string; optimizer: string; schedule: string; mix: string; lr: number; smoothing: number; epochs: number; resolution: number; trials: string[]; val_top1?: Est | null; test_top1?: Est | null; vs_top?: components["schemas"]["Comparison"] | null; train_seconds: number; selected: boolean };
  SotaEntry: { dataset: string; method: string; backbone?: string; resolution?: number | null; value: number; std?: number | null; metric: "top1" | "mean_per_class"; extra_data?: string; selection: "last" | "best_on_test" | "unknown"; year?: number | null; source?: string; confidence: "read" | "secondary" };
  Leaderboard: { dataset: string; version?: string | null; metric: string; rows: components["schemas"]["LeaderboardRow"][]; sota: components["schemas"]["SotaEntry"][]; n_test_accesses: number; notes: string[] };
  TrialState: "queued" | "running" | "paused" | "completed" | "pruned" | "failed" | "cancelled";
  Progress: { phase: string; epoch: number; n_epochs: number; step: number; n_steps: number; train_loss?: number | null; val_top1?: number | null; images_per_s?: number | null; eta_s?: number | null };
  TrialView: { id: string; sweep?: string | null; config_id: string; state: components["schemas"]["TrialState"]; label: string; dataset: string; seed: number; created_at: string; started_at?: string | null; finished_at?: string | null; n_attempts: number; progress?: components["schemas"]["Progress"] | null; metrics: Record<string, number>; error?: string | null };
  TrialPage: { trials: components["schemas"]["TrialView"][]; next_cursor?: string | null };
  SeriesPoint: { step: number; epoch: number; value: number | ("NaN" | "Infinity" | "-Infinity") };
  Series: { metric: string; points: components["schemas"]["SeriesPoint"][] };
  SweepView: { id: string; name: string; dataset: string; created_at: string; cancelled_at?: string | null; n_trials: number; counts: Record<string, number>; finished: boolean };
  TransferArm: { config_id: string; epochs: number; lr: number; lrs_tried: number[]; trials: string[]; val_top1: Est; test_top1?: Est | null };
  Slope: { ratio: number; low: number; high: number; at_least: boolean; reached: boolean };
  Asymptote: { epochs: number; difference: Est; converged: boolean };
  TransferStudy: { backbone: string; label: string; metric: string; pretrained: components["schemas"]["TransferArm"][]; random: components["schemas"]["TransferArm"][]; start?: Est | null; slope?: components["schemas"]["Slope"] | null; asymptote?: components["schemas"]["Asymptote"] | null };
  TransferReport: { dataset: string; studies: components["schemas"]["TransferStudy"][]; notes: string[] };
  Event: { kind: "trial"; trial: string; sweep?: string | null; dataset: string; state: components["schemas"]["TrialState"] } | { kind: "progress"; trial: string; sweep?: string | null; progress: components["schemas"]["Progress"] } | { kind: "evaluation"; trial: string; dataset: string } | { kind: "sweep"; sweep: string } | { kind: "dataset"; name: string } | { kind: "sota"; entry: components["schemas"]["SotaEntry"] };
} }
type Ok<T> = { responses: { 200: { content: { "application/json": T } } } };
export interface paths {
  "/api/v1/session": { get: Ok<components["schemas"]["SessionView"]> };
  "/api/v1/datasets": { get: Ok<components["schemas"]["DatasetView"][]> };
  "/api/v1/sweeps": { get: Ok<components["schemas"]["SweepView"][]> };
  "/api/v1/leaderboard": { get: Ok<components["schemas"]["Leaderboard"]> };
  "/api/v1/transfer": { get: Ok<components["schemas"]["TransferReport"]> };
  "/api/v1/trials": { get: Ok<components["schemas"]["TrialPage"]> };
  "/api/v1/trials/{id}/series": { get: Ok<components["schemas"]["Series"]> };
}
