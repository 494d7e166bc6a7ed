"""The parts of the report's page: what was found, as typed values, sentences, tables and charts."""
