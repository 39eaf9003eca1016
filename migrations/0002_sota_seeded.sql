-- Tells results that ship with the server, which later versions may correct, from those somebody posted.
ALTER TABLE sota ADD COLUMN seeded boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN sota.seeded IS 'Shipped with the server: start-up may update it. A post clears it';
