-- What a scheduler expects of trials that wait or were stopped is told to the sampler of their sweep. It changes as more is
-- seen, so a proposal keeps what it was told.
--
-- Expand: servers of before tell samplers of no forecasts, and leave the default.

ALTER TABLE proposal ADD COLUMN forecasts double precision[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN proposal.forecasts IS 'What was expected of those of the earlier proposals that "seen" marks as forecast, in order';
COMMENT ON COLUMN proposal.seen IS 'How the earlier proposals stood when it was made, one byte each: pending, scored, failed or forecast. Asked again with that and "forecasts", the sampler proposes the same';
