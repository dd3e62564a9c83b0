// Tries as moving dots. Where a dot is depends on the moment alone (`dotsAt`), never on the frames
// before: so the slider may jump anywhere, and a pause loses nothing.
const NOWHERE = -1;
// The ways between client and server take this long on the screen, whatever they took in the run.
const FLIGHT_MS = 700;
const HOP_MS = 180;
const STILL_STEP_MS = 500;
const TEXT_STEP_MS = 150;
const HEAD_PX = 26;
const LANE_GAP_PX = 12;
const GAP_PX = 13;
const RADIUS_PX = 5;
const TRACK_PX = 8;

const mix = (from, to, share) => from + (to - from) * share;
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const smooth = (share) => {
  const at = clamp(share, 0, 1);
  return at * at * (3 - 2 * at);
};
// The number of values, of a sorted array, that are at most so much.
function atMost(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

// ---- the table ----

export function journeysOf(numbers, names) {
  const { buffer, byteOffset, byteLength } = numbers;
  const all = new Float64Array(buffer.slice(byteOffset, byteOffset + byteLength));
  const count = all.length / names.length;
  const column = (index) => all.subarray(index * count, (index + 1) * count);
  const journeys = Object.fromEntries(names.map((name, index) => [name, column(index)]));
  // Rows are in the order of their starts; all before a row with `gone_s` in the past have ended.
  let latest = -Infinity;
  journeys.gone_s = journeys.end_s.map((end) => (latest = Math.max(latest, end)));
  return { ...journeys, count };
}

const isServed = (journeys, i) => journeys.place[i] !== NOWHERE;
const isSomewhere = (journeys, i) => !isServed(journeys, i) && journeys.leave_s[i] > journeys.enter_s[i];

// How many there are at most at once between two moments of each row that `counts`.
function most(journeys, from, until, counts) {
  const steps = [];
  for (let i = 0; i < journeys.count; i++) {
    if (counts(i) && until[i] > from[i]) steps.push([from[i], 1], [until[i], -1]);
  }
  steps.sort(([a, up], [b, down]) => a - b || up - down);
  let [now, highest] = [0, 0];
  for (const [, step] of steps) highest = Math.max(highest, (now += step));
  return highest;
}

// ---- the room: who stands where ----

export function roomFor(width, journeys, servers, hasOneQueue) {
  const narrow = width < 560;
  const workers = Array.from(servers, (_, lane) => placesOf(journeys, lane));
  const box = clamp(20 + Math.max(...workers.map((places) => places * gapOf(places))), 0.15 * width, 0.32 * width);
  const x = {
    client: narrow ? 22 : 34,
    balancer: (narrow ? 0.18 : 0.19) * width,
    queue: (narrow ? 0.28 : 0.3) * width,
    front: width - box - (narrow ? 16 : 28),
    box: width - 2 - box,
    right: width - 2,
  };
  const room = { width, narrow, x, hasOneQueue, lanes: [], nowhere: null };
  let top = HEAD_PX;
  for (const lane of servers.keys()) {
    const made = laneOf(journeys, lane, workers[lane], x, top);
    room.lanes.push(made);
    top += made.height + LANE_GAP_PX;
  }
  const bottom = top - LANE_GAP_PX;
  room.middle = (HEAD_PX + bottom) / 2;
  giveQueues(room, journeys, bottom - HEAD_PX);
  if (journeys.lane.includes(NOWHERE)) {
    const crowd = most(journeys, journeys.enter_s, journeys.leave_s, (i) => journeys.lane[i] === NOWHERE);
    const area = { left: x.queue, right: x.right - 12, y: 0 };
    const line = snake(area, crowd, 3);
    const height = 30 + line.rows * GAP_PX + 12;
    area.y = top + 24 + (line.rows * GAP_PX) / 2;
    room.nowhere = { top, height, y: area.y, back: top + height - TRACK_PX, line: snake(area, crowd, 3) };
    top += height + LANE_GAP_PX;
  }
  room.height = top;
  room.hasBalancer = servers.length > 1;
  return room;
}

const gapOf = (places) => (places > 120 ? 8 : places > 16 ? 15 : 27);

function placesOf(journeys, lane) {
  let places = 0;
  for (let i = 0; i < journeys.count; i++) {
    if (journeys.lane[i] === lane) places = Math.max(places, journeys.place[i] + 1);
  }
  return places;
}

function laneOf(journeys, lane, places, x, top) {
  const gap = gapOf(places);
  const [left, right] = [x.box + 10, x.right - 8];
  const columns = Math.max(1, Math.floor((right - left) / gap));
  const rows = Math.ceil(places / columns);
  const height = Math.max(66, 30 + rows * gap + 8);
  const slots = Array.from({ length: places }, (_, place) => ({
    x: left + gap * ((place % columns) + 0.5),
    y: top + 27 + gap * (Math.floor(place / columns) + 0.5),
  }));
  const inside = (i) => journeys.lane[i] === lane && isSomewhere(journeys, i);
  const crowd = most(journeys, journeys.enter_s, journeys.leave_s, inside);
  const area = { left, right: right - RADIUS_PX, y: top + height / 2 + 8 };
  return { top, height, y: top + height / 2, back: top + height - TRACK_PX, gap, slots, inside: snake(area, crowd, 2) };
}

// The places of a queue, the first at the right: to and fro in columns, as people stand in line.
function snake({ left, right, y }, crowd, mostRows) {
  const columns = Math.max(1, Math.floor((right - left) / GAP_PX));
  const rows = clamp(Math.ceil(crowd / columns), 1, mostRows);
  const gap = Math.min(GAP_PX, (right - left) / Math.max(1, Math.ceil(crowd / rows) - 1));
  const spot = (number) => {
    const column = Math.floor(number / rows);
    const row = number % rows;
    const down = column % 2 ? rows - 1 - row : row;
    return { x: Math.max(left, right - column * gap), y: y + GAP_PX * (down - (rows - 1) / 2) };
  };
  const at = (number) => {
    const [from, to] = [spot(Math.floor(number)), spot(Math.ceil(number))];
    const share = number - Math.floor(number);
    return { x: mix(from.x, to.x, share), y: mix(from.y, to.y, share) };
  };
  return { at, rows };
}

function giveQueues(room, journeys, height) {
  const { x, lanes } = room;
  const queueAt = (y, counts, rows) => {
    const crowd = most(journeys, journeys.enter_s, journeys.begin_s, counts);
    return { y, line: snake({ left: x.queue, right: x.front, y }, crowd, rows) };
  };
  if (room.hasOneQueue) {
    const shared = queueAt(room.middle, () => true, Math.max(3, Math.floor((height - 50) / GAP_PX)));
    for (const lane of lanes) lane.queue = shared;
  } else {
    for (const [number, lane] of lanes.entries()) {
      lane.queue = queueAt(lane.y, (i) => journeys.lane[i] === number, Math.floor((lane.height - 40) / GAP_PX));
    }
  }
}

// ---- where every dot is at a moment ----

export function dotsAt(journeys, now, { flight, hop, isStill }, room) {
  const { start_s, enter_s, begin_s, leave_s, end_s, lane, place } = journeys;
  const count = { waiting: room.lanes.map(() => 0), working: room.lanes.map(() => 0), nowhere: 0 };
  const active = [];
  for (let i = atMost(journeys.gone_s, now - flight); i < journeys.count && start_s[i] <= now + flight; i++) {
    const departs = Math.min(start_s[i], enter_s[i] - flight);
    const isHome = now > Math.max(end_s[i], leave_s[i] + flight);
    if (now >= departs && !isHome) active.push(i);
  }
  active.sort((a, b) => begin_s[a] - begin_s[b] || a - b);

  // How many stand before each: who has just left still takes up some of a place.
  const lengths = new Map();
  const ahead = new Map();
  const stands = (i, where, until) => {
    if (now < enter_s[i] || now >= until + hop) return;
    ahead.set(i, lengths.get(where) ?? 0);
    const there = now < until ? 1 : 1 - (now - until) / hop;
    lengths.set(where, ahead.get(i) + there);
  };
  const areaOf = (i) => {
    if (lane[i] === NOWHERE) return room.nowhere.line;
    return isSomewhere(journeys, i) ? room.lanes[lane[i]].inside : room.lanes[lane[i]].queue.line;
  };
  for (const i of active) {
    if (isSomewhere(journeys, i)) stands(i, areaOf(i), leave_s[i]);
    else if (begin_s[i] > enter_s[i]) stands(i, areaOf(i), begin_s[i]);
  }
  const standing = (i) => areaOf(i).at(ahead.get(i) ?? lengths.get(areaOf(i)) ?? 0);
  const aim = (i) => {
    if (lane[i] === NOWHERE && !isSomewhere(journeys, i)) return { x: room.x.balancer, y: room.middle };
    if (isServed(journeys, i) && begin_s[i] <= enter_s[i]) return room.lanes[lane[i]].slots[place[i]];
    return standing(i);
  };
  const lastPlace = (i) => {
    if (isServed(journeys, i)) return room.lanes[lane[i]].slots[place[i]];
    if (lane[i] === NOWHERE && !isSomewhere(journeys, i)) return aim(i);
    const stays = isSomewhere(journeys, i) ? leave_s : begin_s;
    const before = (j) => enter_s[j] < enter_s[i] && stays[j] > leave_s[i] && areaOf(j) === areaOf(i);
    return areaOf(i).at(active.filter(before).length);
  };
  // Whoever may not move stands still somewhere on the way.
  const share = (i, passed, whole) => (isStill ? (i * 0.618) % 1 : whole > 0 ? passed / whole : 1);

  const dots = active.map((i) => {
    const base = { i, alpha: 1, stage: "open", scale: 1 };
    if (now < enter_s[i]) {
      const departs = Math.min(start_s[i], enter_s[i] - flight);
      const gone = share(i, now - departs, enter_s[i] - departs);
      return { ...base, ...wayThere(room, lane[i], aim(i), gone), alpha: clamp(gone * 6, 0, 1) };
    }
    if (now < begin_s[i] || (isSomewhere(journeys, i) && now < leave_s[i])) {
      const isKnown = !isSomewhere(journeys, i);
      if (lane[i] === NOWHERE) count.nowhere++;
      else if (isKnown) count.waiting[lane[i]]++;
      else count.working[lane[i]]++;
      return { ...base, ...standing(i), stage: isKnown ? "waits" : "open" };
    }
    if (now < leave_s[i]) {
      count.working[lane[i]]++;
      const { slots, gap, queue } = room.lanes[lane[i]];
      const slot = slots[place[i]];
      const come = isStill || begin_s[i] <= enter_s[i] ? 1 : smooth((now - begin_s[i]) / Math.min(hop, leave_s[i] - begin_s[i]));
      const front = queue.line.at(0);
      const at = { x: mix(front.x, slot.x, come), y: mix(front.y, slot.y, come) };
      const done = (now - begin_s[i]) / (leave_s[i] - begin_s[i]);
      return { ...base, ...at, stage: "works", done, scale: Math.min(1, gap / 18), slot };
    }
    const left = share(i, now - leave_s[i], Math.max(end_s[i] - leave_s[i], flight));
    const from = lastPlace(i);
    const ended = { ...base, stage: "ended" };
    if (journeys.isSilent(i)) return { ...ended, x: from.x, y: from.y + 10 * left, alpha: 1 - left * left };
    return { ...ended, ...wayBack(room, lane[i], from, left), alpha: clamp((1 - left) * 6, 0, 1) };
  });
  return { dots, count };
}

// Over the wires: from the client to the balancer, in a bend to the lane, along it to the place.
function wayThere(room, lane, to, gone) {
  const { x, middle } = room;
  const at = mix(x.client, to.x, smooth(gone));
  return { x: at, y: at <= x.balancer ? middle : heightThere(room, lane, to, at) };
}

function heightThere({ x, middle, lanes, nowhere }, lane, to, at) {
  const y = lane === NOWHERE ? (nowhere?.y ?? middle) : lanes[lane].queue.y;
  if (at < x.queue) return mix(middle, y, smooth((at - x.balancer) / (x.queue - x.balancer)));
  const bend = to.x > x.front ? x.front : x.queue;
  return mix(y, to.y, smooth((at - bend) / Math.max(1, to.x - bend)));
}

// Under the lane, and the same way back.
function wayBack(room, lane, from, left) {
  const { x, middle, lanes, nowhere } = room;
  const at = mix(from.x, x.client, smooth(left));
  const back = lane === NOWHERE ? (nowhere?.back ?? middle) : lanes[lane].back;
  const home = middle + TRACK_PX;
  if (at <= x.balancer) return { x: at, y: from.x <= x.balancer ? mix(from.y, home, smooth(left * 4)) : home };
  if (at < x.queue) return { x: at, y: mix(home, back, smooth((at - x.balancer) / (x.queue - x.balancer))) };
  const bend = Math.max(24, from.x - x.front);
  return { x: at, y: mix(from.y, back, smooth((from.x - at) / bend)) };
}

// ---- the picture ----

const SYMBOLS = {
  circle: (pen, r) => pen.arc(0, 0, r, 0, 2 * Math.PI),
  square: (pen, r) => pen.rect(-0.9 * r, -0.9 * r, 1.8 * r, 1.8 * r),
  diamond: (pen, r) => polygon(pen, [0, -1.3 * r], [1.3 * r, 0], [0, 1.3 * r], [-1.3 * r, 0]),
  "triangle-up": (pen, r) => polygon(pen, [0, -1.2 * r], [1.2 * r, 0.9 * r], [-1.2 * r, 0.9 * r]),
  "triangle-down": (pen, r) => polygon(pen, [0, 1.2 * r], [1.2 * r, -0.9 * r], [-1.2 * r, -0.9 * r]),
  x(pen, r) {
    const [a, b] = [0.45 * r, 1.2 * r];
    const corners = [[0, -a], [b - a, -b], [b, a - b], [a, 0], [b, b - a], [b - a, b]];
    polygon(pen, ...corners, ...corners.map(([x, y]) => [-x, -y]));
  },
};

function polygon(pen, first, ...others) {
  pen.moveTo(...first);
  for (const corner of others) pen.lineTo(...corner);
  pen.closePath();
}

function drawSymbol(pen, { symbol, colour, ring }, ink) {
  pen.beginPath();
  SYMBOLS[symbol](pen, RADIUS_PX);
  pen.fillStyle = colour;
  pen.fill();
  if (ring) {
    pen.beginPath();
    pen.arc(0, 0, RADIUS_PX + 3, 0, 2 * Math.PI);
    pen.strokeStyle = ink;
    pen.lineWidth = 1.5;
    pen.stroke();
  }
}

const STAMP_PX = 24;

// Each look is drawn once and then stamped, which is what keeps thousands of dots quick.
function newStamps(looks, ink, ratio) {
  const made = new Map();
  return (look, isRetry) => {
    const key = `${look} ${isRetry}`;
    if (!made.has(key)) {
      const stamp = document.createElement("canvas");
      stamp.width = stamp.height = STAMP_PX * ratio;
      const pen = stamp.getContext("2d");
      pen.scale(ratio, ratio);
      pen.translate(STAMP_PX / 2, STAMP_PX / 2);
      drawSymbol(pen, { ...looks[look], ring: isRetry }, ink);
      made.set(key, stamp);
    }
    return made.get(key);
  };
}

function looksOf(model) {
  const colours = model.get("colours");
  const stages = { open: colours.theory, waits: colours.wait, works: colours.service };
  const looks = Object.fromEntries(
    Object.entries(stages).map(([stage, colour]) => [stage, { symbol: "circle", colour }]),
  );
  return { ...looks, ...Object.assign({}, model.get("ends")) };
}

function drawRoom(pen, room, { words, servers, count, theme }) {
  const { x, middle, lanes, nowhere, narrow } = room;
  const small = `${narrow ? 11 : 12}px ${theme.font}`;
  const lineTo = (lane, y, from, until) => {
    pen.moveTo(x.client, from);
    pen.lineTo(x.balancer, from);
    pen.bezierCurveTo(mix(x.balancer, x.queue, 0.5), from, mix(x.balancer, x.queue, 0.5), y, x.queue, y);
    pen.lineTo(until, y);
  };
  const areas = nowhere ? [...lanes, nowhere] : lanes;
  pen.lineWidth = 1.5;
  pen.strokeStyle = theme.wire;
  pen.beginPath();
  for (const lane of lanes) {
    lineTo(lane, lane.queue.y, middle, room.hasOneQueue ? x.front : x.box);
    if (room.hasOneQueue) {
      pen.moveTo(x.front, middle);
      pen.bezierCurveTo(mix(x.front, x.box, 0.5), middle, mix(x.front, x.box, 0.5), lane.y, x.box, lane.y);
    }
  }
  pen.stroke();
  pen.setLineDash([2, 5]);
  pen.beginPath();
  for (const area of areas) lineTo(area, area.back, middle + TRACK_PX, area === nowhere ? x.queue : x.box);
  pen.stroke();
  pen.setLineDash([]);

  for (const { top, height } of lanes) {
    pen.beginPath();
    pen.roundRect(x.box, top, x.right - x.box, height, 8);
    pen.fillStyle = theme.area;
    pen.fill();
    pen.strokeStyle = theme.edge;
    pen.lineWidth = 1;
    pen.stroke();
  }
  if (nowhere) {
    pen.beginPath();
    pen.roundRect(x.queue - 10, nowhere.top, x.right - x.queue + 10, nowhere.height, 8);
    pen.strokeStyle = theme.edge;
    pen.setLineDash([4, 4]);
    pen.stroke();
    pen.setLineDash([]);
  }
  pen.strokeStyle = theme.edge;
  pen.lineWidth = 1.25;
  for (const { slots, gap } of lanes) {
    for (const slot of slots) {
      pen.beginPath();
      pen.arc(slot.x, slot.y, gap / 2 - (gap > 10 ? 3 : 1), 0, 2 * Math.PI);
      pen.stroke();
    }
  }
  bar(pen, x.client, middle, 44, theme.quiet);
  if (room.hasBalancer) bar(pen, x.balancer, middle, 34, theme.quiet);

  pen.fillStyle = theme.quiet;
  pen.font = small;
  pen.textBaseline = "alphabetic";
  const write = (text, at, y, align = "center") => {
    pen.textAlign = align;
    pen.fillText(text, at, y);
  };
  write(words.clients, x.client, 14);
  if (room.hasBalancer) write(words.balancer, x.balancer, 14);
  write(room.hasOneQueue ? words.queue : words.queues, mix(x.queue, x.front, 0.5), 14);
  write(words.servers, mix(x.box, x.right, 0.5), 14);
  const fill = (text, value) => text.replace("{count}", value);
  if (nowhere) write(fill(words.nowhere, count.nowhere), x.queue, nowhere.top + 16, "left");
  for (const [number, lane] of lanes.entries()) {
    pen.fillStyle = theme.ink;
    write(servers[number], x.box + 10, lane.top + 18, "left");
  }
  const waits = room.hasOneQueue
    ? [[count.waiting.reduce((sum, one) => sum + one, 0), middle, lanes[0].queue.line.rows]]
    : lanes.map((lane, number) => [count.waiting[number], lane.y, lane.queue.line.rows]);
  for (const [waiting, y, rows] of waits) {
    pen.fillStyle = waiting ? theme.ink : theme.quiet;
    write(fill(words.waiting, waiting), x.front, y - (rows * GAP_PX) / 2 - 6, "right");
  }
}

function bar(pen, x, y, height, colour) {
  pen.beginPath();
  pen.roundRect(x - 4, y + TRACK_PX / 2 - height / 2, 8, height, 4);
  pen.fillStyle = colour;
  pen.fill();
}

// How much of the work is done, as a ring that closes.
function drawProgress(pen, { x, y }, done, ratio, colour) {
  pen.lineWidth = 2.5 * ratio;
  pen.strokeStyle = colour;
  pen.beginPath();
  pen.arc(x, y, (RADIUS_PX + 5.5) * ratio, -Math.PI / 2, (2 * done - 0.5) * Math.PI);
  pen.stroke();
}

function drawDots(pen, dots, journeys, stampOf, colours) {
  for (const { stage, done, scale, slot } of dots) {
    if (stage === "works" && scale === 1) drawProgress(pen, slot, done, 1, colours.service);
  }
  for (const { i, x, y, stage, alpha, scale } of dots) {
    const look = stage === "ended" ? journeys.end[i] : stage;
    const size = STAMP_PX * scale;
    pen.globalAlpha = alpha;
    pen.drawImage(stampOf(look, journeys.attempt[i] > 1), x - size / 2, y - size / 2, size, size);
  }
  pen.globalAlpha = 1;
}

// ---- the widget ----

// How long, in the run's time, the ways take that the table knows nothing of.
const paceAt = (speed, isStill) => ({
  flight: (FLIGHT_MS / 1000) * speed,
  hop: (HOP_MS / 1000) * speed,
  isStill,
});

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

function render({ model, el }) {
  const words = model.get("words");
  const servers = model.get("servers");
  const ends = model.get("ends");
  const journeys = journeysOf(model.get("numbers"), model.get("columns"));
  journeys.isSilent = (i) => ends[journeys.end[i]].is_silent;
  const endedBy = ends.map((_, end) => journeys.end_s.filter((_, i) => journeys.end[i] === end).sort());
  const first = journeys.start_s[0];
  const last = journeys.gone_s.at(-1);
  const digits = clamp(2 - Math.floor(Math.log10(last - first || 1)), 0, 4);
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const looks = looksOf(model);

  const state = { now: first, speed: model.get("speed"), isPlaying: false, seen: undefined, saidAt: 0 };
  let pace = paceAt(state.speed, calm.matches);
  let room, theme, stampOf;

  const canvas = element("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", model.get("finding"));
  const button = element("button", { type: "button", onclick: () => play(!state.isPlaying) });
  const speeds = model.get("speeds").map((speed) =>
    element("option", { value: speed, selected: speed === state.speed }, filled(words.times, { speed })),
  );
  const speed = element("select", { onchange: () => setSpeed(Number(speed.value)) }, ...speeds);
  const slider = element("input", { type: "range", min: first, step: (last - first) / 500 || 1 });
  const moment = element("span", { className: "devops-lab-traffic-moment" });
  const said = element("p", { role: "status" });
  const legend = element("ul");
  const marks = [];

  el.classList.add("devops-lab-traffic");
  el.dataset.lmSuppressShortcuts = "true";
  el.append(
    element("p", { className: "devops-lab-traffic-finding" }, model.get("finding")),
    canvas,
    element(
      "div",
      { className: "devops-lab-traffic-controls" },
      button,
      element("label", {}, words.speed, speed),
      element("label", { className: "devops-lab-traffic-time" }, words.time, slider),
      moment,
    ),
    legend,
    said,
    element("p", { className: "devops-lab-summary" }, model.get("summary")),
  );
  slider.addEventListener("input", () => {
    const wanted = Number(slider.value);
    play(false);
    goTo(wanted);
  });
  fillLegend();

  function fillLegend() {
    const item = (look, text, ring = false) => {
      const mark = element("canvas");
      const label = element("span", {}, text);
      marks.push({ mark, look, ring });
      legend.append(element("li", {}, mark, label));
      return label;
    };
    item("open", words.open);
    item("waits", words.waits);
    item("works", words.works);
    for (const [number, end] of ends.entries()) {
      if (endedBy[number].length) endedBy[number].label = item(number, end.words);
    }
    if (journeys.attempt.some((attempt) => attempt > 1)) item("open", words.retry, true);
  }

  function setSpeed(to) {
    state.speed = to;
    pace = paceAt(to, calm.matches);
    slider.max = last + pace.flight;
    draw();
  }

  function goTo(now) {
    state.now = clamp(now, first, last + pace.flight);
    draw();
  }

  function play(wanted) {
    state.isPlaying = wanted;
    if (wanted && state.now >= last) state.now = first;
    // Those who hear the page would hear nothing else while it runs.
    said.setAttribute("aria-live", wanted ? "off" : "polite");
    draw();
    if (wanted) requestAnimationFrame((at) => tick(at, at));
  }

  function tick(at, before) {
    if (!state.isPlaying) return;
    const passed = at - before;
    if (calm.matches && passed < STILL_STEP_MS) {
      requestAnimationFrame((next) => tick(next, before));
      return;
    }
    // After a pause of the page, or out of sight, the run goes on where it was.
    if (state.seen) state.now += (Math.min(passed, calm.matches ? 1000 : 100) / 1000) * state.speed;
    if (state.now >= last + pace.flight) {
      state.now = last + pace.flight;
      play(false);
      return;
    }
    if (state.seen) draw();
    requestAnimationFrame((next) => tick(next, at));
  }

  function draw() {
    if (!room) return;
    const pen = canvas.getContext("2d");
    pen.setTransform(theme.ratio, 0, 0, theme.ratio, 0, 0);
    pen.clearRect(0, 0, room.width, room.height);
    const { dots, count } = dotsAt(journeys, state.now, pace, room);
    drawRoom(pen, room, { words, servers, count, theme });
    drawDots(pen, dots, journeys, stampOf, model.get("colours"));
    slider.value = state.now;
    say(count);
  }

  function say(count) {
    if (state.isPlaying && performance.now() - state.saidAt < TEXT_STEP_MS) return;
    state.saidAt = performance.now();
    const isAtEnd = state.now >= last;
    button.textContent = state.isPlaying ? words.pause : isAtEnd ? words.again : words.play;
    const time = Math.min(state.now, last).toFixed(digits);
    moment.textContent = filled(words.moment, { time, last: last.toFixed(digits) });
    slider.setAttribute("aria-valuetext", moment.textContent);
    let ended = 0;
    for (const [number, times] of endedBy.entries()) {
      const by = atMost(times, state.now);
      ended += by;
      if (times.label) times.label.textContent = `${ends[number].words}: ${by}`;
    }
    const sum = (counts) => counts.reduce((all, one) => all + one, 0);
    const numbers = { waiting: sum(count.waiting), working: sum(count.working) };
    const sentences = [filled(words.now, { time, ended, all: journeys.count, ...numbers })];
    if (servers.length > 1) {
      for (const [lane, server] of servers.entries()) {
        const here = { waiting: count.waiting[lane], working: count.working[lane] };
        if (here.waiting || here.working) sentences.push(filled(words.lane, { server, ...here }));
      }
    }
    if (count.nowhere) sentences.push(filled(words.unknown, { count: count.nowhere }));
    said.textContent = sentences.join(" ");
  }

  function arrange() {
    const width = el.clientWidth;
    if (!width) return;
    const style = getComputedStyle(el);
    const read = (name) => style.getPropertyValue(`--${name}`).trim();
    theme = Object.fromEntries(["ink", "quiet", "wire", "area", "edge"].map((name) => [name, read(name)]));
    Object.assign(theme, { font: style.fontFamily, ratio: devicePixelRatio || 1 });
    room = roomFor(width, journeys, servers, model.get("has_one_queue"));
    canvas.width = width * theme.ratio;
    canvas.height = room.height * theme.ratio;
    canvas.style.height = `${room.height}px`;
    stampOf = newStamps(looks, theme.ink, theme.ratio);
    for (const { mark, look, ring } of marks) {
      mark.width = mark.height = STAMP_PX * theme.ratio;
      const pen = mark.getContext("2d");
      pen.drawImage(stampOf(look, ring), 0, 0);
      if (look === "works") drawProgress(pen, { x: mark.width / 2, y: mark.width / 2 }, 0.7, theme.ratio, looks.works.colour);
    }
    setSpeed(state.speed);
  }

  const size = new ResizeObserver(() => requestAnimationFrame(arrange));
  size.observe(el);
  const dress = new MutationObserver(arrange);
  dress.observe(document.body, { attributeFilter: ["data-jp-theme-light"] });
  const sight = new IntersectionObserver(([entry]) => {
    const isFirst = state.seen === undefined && entry.isIntersecting;
    if (entry.isIntersecting || state.seen) state.seen = entry.isIntersecting;
    if (isFirst && !calm.matches) play(true);
  });
  sight.observe(canvas);
  calm.addEventListener("change", arrange);
  return () => {
    state.isPlaying = false;
    for (const observer of [size, dress, sight]) observer.disconnect();
    calm.removeEventListener("change", arrange);
  };
}

export default { render };
