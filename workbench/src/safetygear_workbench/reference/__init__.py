"""The reference pages and JSON Schemas, made from the types that the modules themselves read and write."""
