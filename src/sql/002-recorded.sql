-- What a cut turn leaves behind: the CLI writes its transcript a moment after its hooks, so a message may have been
-- delivered and yet be missing from the conversation that is resumed.
ALTER TABLE messages ADD COLUMN recorded INTEGER NOT NULL DEFAULT 0;	-- 1: its conversation's transcript has it
