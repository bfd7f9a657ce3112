-- The model that answered a production request, where it is known.
ALTER TABLE traffic ADD COLUMN model TEXT;
