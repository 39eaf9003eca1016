/** Short names for the generated types of the wire. */

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Asymptote = Schemas["Asymptote"];
export type Comparison = Schemas["Comparison"];
export type DatasetView = Schemas["DatasetView"];
export type ErrorBody = Schemas["ErrorBody"];
export type Estimate = Schemas["Estimate"];
export type Leaderboard = Schemas["Leaderboard"];
export type LeaderboardRow = Schemas["LeaderboardRow"];
export type LiveEvent = Schemas["Event"];
export type Progress = Schemas["Progress"];
export type Series = Schemas["Series"];
export type SessionView = Schemas["SessionView"];
export type Slope = Schemas["Slope"];
export type SotaEntry = Schemas["SotaEntry"];
export type SweepView = Schemas["SweepView"];
export type TransferArm = Schemas["TransferArm"];
export type TransferReport = Schemas["TransferReport"];
export type TransferStudy = Schemas["TransferStudy"];
export type TrialPage = Schemas["TrialPage"];
export type TrialState = Schemas["TrialState"];
export type TrialView = Schemas["TrialView"];
