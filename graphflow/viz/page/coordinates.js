// Coordinates of a block of rows: the method of coordinates.py, in the same order of arithmetic.
const ITEM_GAP = 18, BEND_GAP = 10, ROW_GAP = 46, PIN_GAP = 26, BEND_WIDTH = 4, PIN_WIDTH = 10;
const ROUNDS = 12, IDLE = 0.02;

function placeBlock(rows, width, height, soft, above, below) {
  const x = new Map();
  const spans = rows.map((row) => {
    const offsets = [0];
    for (let i = 1; i < row.length; i++) {
      const gap = soft[row[i - 1]] || soft[row[i]] ? BEND_GAP : ITEM_GAP;
      offsets.push(offsets[i - 1] + width[row[i - 1]] / 2 + gap + width[row[i]] / 2);
    }
    row.forEach((slot, i) => x.set(slot, offsets[i] - offsets[row.length - 1] / 2));
    return offsets;
  });
  for (let turn = 0; turn < ROUNDS; turn++) {
    const down = turn % 2 === 0, both = turn >= ROUNDS - 4;
    for (let i = 0; i < rows.length; i++) {
      const k = down ? i : rows.length - 1 - i;
      settleRow(rows[k], spans[k], x, down || both ? above : null, !down || both ? below : null);
    }
  }
  const heights = rows.map((row) => row.reduce((most, s) => Math.max(most, height[s]), 0));
  const tops = [];
  let at = 0;
  heights.forEach((own, k) => {
    tops.push(at);
    at += own + (k + 1 === heights.length ? 0 : own && heights[k + 1] ? ROW_GAP : PIN_GAP);
  });
  let left = Infinity, right = -Infinity;
  for (const row of rows) {
    for (const s of row) {
      left = Math.min(left, x.get(s) - width[s] / 2);
      right = Math.max(right, x.get(s) + width[s] / 2);
    }
  }
  if (left > right) left = right = 0;
  for (const [s, v] of x) x.set(s, v - left);
  return { x, tops, heights, width: right - left, height: at };
}

// Weighted least squares with the order kept: neighbours that would overlap are pooled.
function settleRow(row, offsets, x, above, below) {
  const means = [], weights = [], counts = [];
  row.forEach((slot, i) => {
    let total = x.get(slot) * IDLE, weight = IDLE;
    for (const near of [above, below]) {
      if (!near) continue;
      for (const [other, own, offset] of near[slot]) {
        if (!x.has(other)) continue;
        total += own * (x.get(other) + offset);
        weight += own;
      }
    }
    means.push(total / weight - offsets[i]);
    weights.push(weight);
    counts.push(1);
    while (means.length > 1 && means[means.length - 2] > means[means.length - 1]) {
      const mean = means.pop(), own = weights.pop(), count = counts.pop();
      const last = means.length - 1, both = weights[last] + own;
      means[last] = (means[last] * weights[last] + mean * own) / both;
      weights[last] = both;
      counts[last] += count;
    }
  });
  let k = 0;
  means.forEach((mean, i) => {
    for (let n = 0; n < counts[i]; n++, k++) x.set(row[k], mean + offsets[k]);
  });
}
