-- Claims hand jobs out by one statement while no job in the queue needs something of its worker; this tells at once.
--
-- Expand: an index more. Servers of before do not look at it.

CREATE INDEX trial_queue_needs_idx ON trial_queue (seq) WHERE needs IS NOT NULL AND NOT external;
