"""From tracked people and boxes to judgements: gear worn or not, votes, status, zones, shifts, episodes. Pure."""
