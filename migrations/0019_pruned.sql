-- The leaderboard tells of configurations with seeds that a scheduler stopped: which have any is asked with every ranking.
--
-- Expand: an index more. Servers of before do not look at it.

CREATE INDEX trial_pruned_idx ON trial (dataset, config_id) WHERE state = 'pruned';
