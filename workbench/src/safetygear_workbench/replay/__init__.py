"""Recorded detections judged again under any rules, by the code that judges live. Pure but for reading the files."""
