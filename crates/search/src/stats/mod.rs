//! Statistics of the leaderboard.
