-- An agent may begin a new conversation, and the old one's transcript has what the new one doesn't know.
ALTER TABLE messages DROP COLUMN recorded;
ALTER TABLE messages ADD COLUMN recorded_in TEXT;	-- the session whose transcript has it; of several the last
