// What has changed between two sets of zones, as a patch of the module twin: null removes a zone, or a setting of one.

export function changes(before, now) {
  const patch = {};
  for (const id of Object.keys(before)) if (!Object.hasOwn(now, id)) patch[id] = null;
  for (const [id, zone] of Object.entries(now)) {
    const old = before[id];
    if (old === undefined) {
      patch[id] = zone;
      continue;
    }
    const changed = {};
    for (const key of new Set([...Object.keys(old), ...Object.keys(zone)])) {
      // An object in a twin is merged with what is there, so what is gone has to be named.
      if (!Object.hasOwn(zone, key)) changed[key] = null;
      else if (JSON.stringify(zone[key]) !== JSON.stringify(old[key])) changed[key] = zone[key];
    }
    if (Object.keys(changed).length > 0) patch[id] = changed;
  }
  return patch;
}
