// Polygons in 0..1 of the camera's picture: what the module would refuse, said while somebody draws.
// The module's own check decides (compliance/polygon.py); this one needs no round trip.

const TOUCH = 1e-9;

// The first pair of edges that cross or touch, as [i, j]: edge i goes from corner i to the next. `closed`: the last
// corner is joined to the first. Null where there is none.
export function crossing(points, closed = true) {
  const count = closed ? points.length : points.length - 1;
  for (let first = 0; first < count; first += 1) {
    for (let second = first + 1; second < count; second += 1) {
      const [a, b] = edge(points, first);
      const [c, d] = edge(points, second);
      if (second === first + 1 ? folds(a, b, d) : closed && first === 0 && second === count - 1 ? folds(c, d, b) : meet(a, b, c, d)) {
        return [first, second];
      }
    }
  }
  return null;
}

// What is wrong with the corners, in words; empty where nothing is.
export function faults(points, limits) {
  if (points.length < limits.minCorners) return `${points.length} corners: a zone has at least ${limits.minCorners}`;
  if (points.length > limits.maxCorners) return `${points.length} corners: a zone has at most ${limits.maxCorners}`;
  const pair = crossing(points);
  if (pair === null) return "";
  const [one, other] = pair.map((index) => `${index + 1}\u2013${((index + 1) % points.length) + 1}`);
  return `The edges ${one} and ${other} cross or touch`;
}

// A tenth of a per cent: less than two pixels of a full HD picture, and short in the twin.
export function rounded(points) {
  return points.map(([x, y]) => [round(x), round(y)]);
}

export function inPicture([x, y]) {
  return [Math.min(1, Math.max(0, x)), Math.min(1, Math.max(0, y))];
}

// The corners moved by (dx, dy), as far as all of them stay in the picture.
export function moved(points, dx, dy) {
  const within = (delta, values) => Math.min(1 - Math.max(...values), Math.max(-Math.min(...values), delta));
  const byX = within(dx, points.map(([x]) => x));
  const byY = within(dy, points.map(([, y]) => y));
  return points.map(([x, y]) => [x + byX, y + byY]);
}

function round(value) {
  return Math.round(value * 1000) / 1000;
}

function edge(points, index) {
  return [points[index], points[(index + 1) % points.length]];
}

// Whether two segments share a point.
function meet(a, b, c, d) {
  const abc = turn(a, b, c);
  const abd = turn(a, b, d);
  const cda = turn(c, d, a);
  const cdb = turn(c, d, b);
  if (abc * abd < 0 && cda * cdb < 0) return true;
  return (abc === 0 && between(a, b, c)) || (abd === 0 && between(a, b, d))
    || (cda === 0 && between(c, d, a)) || (cdb === 0 && between(c, d, b));
}

// Whether the edge from b to c runs back over the one from a to b.
function folds(a, b, c) {
  if (same(a, b) || same(b, c)) return true;
  return turn(a, b, c) === 0 && (a[0] - b[0]) * (c[0] - b[0]) + (a[1] - b[1]) * (c[1] - b[1]) > 0;
}

function turn(a, b, c) {
  const area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
  return Math.abs(area) < TOUCH ? 0 : Math.sign(area);
}

function between(a, b, point) {
  return [0, 1].every((axis) => point[axis] >= Math.min(a[axis], b[axis]) - TOUCH && point[axis] <= Math.max(a[axis], b[axis]) + TOUCH);
}

function same(a, b) {
  return a[0] === b[0] && a[1] === b[1];
}
