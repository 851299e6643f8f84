"use strict";

// Shows a live desktop: GET /api/v1/sessions/{id}/watch, which /api/v1/openapi.json describes.

const KEYFRAME = 1;
const TILE = 2;
const POINTER_SHAPE = 3;
/** Bytes of a picture's message before its PNG. */
const HEAD = 9;
/** How often the title is looked up again, and how soon a desktop that is not there is looked for again. */
const LOOK_AGAIN = 2000;
/** How long after an event the session says the same. */
const SETTLED = 300;
/** Events that are kept in sight. */
const EVENTS = 5;

const element = (name) => document.getElementById(name);
const session = encodeURIComponent(decodeURIComponent(location.pathname.split("/")[2] ?? ""));
const watchPath = `/api/v1/sessions/${session}/watch`;

/** What was pasted into the field. It lives here only: not in the address, not in any storage. */
let token = "";

/** Why a request failed, in the server's words. */
class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function ask(path, options = {}) {
  const headers = { "X-Requested-With": "sallyport", ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  // A token stands for somebody by itself: no cookie of somebody else goes along.
  const credentials = token ? "omit" : "same-origin";
  const answer = await fetch(path, { ...options, headers, credentials });
  const text = await answer.text();
  let body = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    body = { detail: text };
  }
  if (!answer.ok) throw new Refused(answer.status, body?.detail ?? answer.statusText);
  return body;
}

function state(name) {
  document.body.dataset.state = name;
}

function notice(text) {
  element("notice").textContent = text;
  element("notice").hidden = !text;
}

// === The picture ===

/** Draws what comes, in its order. Decoding takes time; what a newer keyframe replaces is not drawn any more. */
class Picture {
  constructor(canvas, overlay) {
    this.canvas = canvas;
    this.overlay = overlay;
    this.waiting = [];
    this.working = false;
    this.pointer = { x: 0, y: 0, shape: null, hotX: 0, hotY: 0, hidden: false };
  }

  take(item) {
    if (item.kind === KEYFRAME) {
      this.waiting = this.waiting.filter((waiting) => waiting.type === "desktop");
    }
    this.waiting.push(item);
    if (!this.working) this.work();
  }

  async work() {
    this.working = true;
    while (this.waiting.length > 0) {
      try {
        await this.draw(this.waiting.shift());
      } catch (error) {
        notice(`A picture could not be drawn: ${error.message}`);
      }
    }
    this.drawPointer();
    this.working = false;
  }

  async draw(item) {
    switch (item.kind ?? item.type) {
      case "desktop":
        for (const canvas of [this.canvas, this.overlay]) {
          canvas.width = item.width;
          canvas.height = item.height;
        }
        break;
      case KEYFRAME:
        await this.put(item, 0, 0);
        this.shape(null, 0, 0);
        Object.assign(this.pointer, { x: 0, y: 0 });
        element("screen").hidden = false;
        cover(false);
        break;
      case TILE:
        await this.put(item, item.x, item.y);
        break;
      case POINTER_SHAPE:
        this.shape(await decode(item.png), item.x, item.y);
        break;
      case "pointer":
        if (item.shape === "arrow") this.shape(null, 0, 0);
        else if (item.shape === "hidden") this.pointer.hidden = true;
        else Object.assign(this.pointer, { x: item.x, y: item.y });
        break;
      case "cover":
        cover(item.shown);
        break;
    }
  }

  async put(item, x, y) {
    const bitmap = await decode(item.png);
    if (!bitmap) return;
    this.canvas.getContext("2d").drawImage(bitmap, x, y);
    bitmap.close();
  }

  shape(bitmap, hotX, hotY) {
    this.pointer.shape?.close();
    Object.assign(this.pointer, { shape: bitmap, hotX, hotY, hidden: false });
  }

  drawPointer() {
    const { x, y, shape, hotX, hotY, hidden } = this.pointer;
    const context = this.overlay.getContext("2d");
    context.clearRect(0, 0, this.overlay.width, this.overlay.height);
    if (hidden) return;
    if (shape) {
      context.drawImage(shape, x - hotX, y - hotY);
      return;
    }
    const corners = [[0, 0], [0, 15], [4, 11], [7, 17], [9, 16], [6, 10], [11, 10]];
    context.beginPath();
    for (const [right, down] of corners) context.lineTo(x + right + 0.5, y + down + 0.5);
    context.closePath();
    context.fillStyle = "white";
    context.strokeStyle = "black";
    context.fill();
    context.stroke();
  }
}

/** `null` for a shape without a pixel. */
async function decode(png) {
  if (png.byteLength === 0) return null;
  return createImageBitmap(new Blob([png], { type: "image/png" }), { colorSpaceConversion: "none" });
}

function cover(shown) {
  element("cover").hidden = !shown;
}

/** A picture's message: kind, x, y, width and height, PNG. */
function takeApart(buffer) {
  if (buffer.byteLength < HEAD) return null;
  const view = new DataView(buffer);
  const number = (at) => view.getUint16(at, true);
  return {
    kind: view.getUint8(0), x: number(1), y: number(3), width: number(5), height: number(7), png: buffer.slice(HEAD),
  };
}

// === Control ===

const hand = new Hand(element("screen"), element("picture"));

/** Whether it is here. */
function control(mine) {
  hand.set(mine);
  element("screen").classList.toggle("mine", mine);
  element("take").hidden = mine;
  element("share").disabled = mine;
  element("attention").hidden = !mine;
  element("release").hidden = !mine;
}

/** Those who may not take it are not asked whether they want it. */
async function offerControl() {
  const me = await ask("/api/v1/me");
  element("hand").hidden = !me.roles.includes("admin");
}

element("take").addEventListener("click", () => {
  notice("");
  hand.take(element("share").checked ? "shared" : "exclusive");
});
element("release").addEventListener("click", () => hand.release());
// The browser's own computer keeps these keys to itself.
element("attention").addEventListener("click", () => hand.press(["ControlLeft", "AltLeft", "Delete"]));

// === The session ===

async function showTitle() {
  const found = await ask(`/api/v1/sessions/${session}`);
  const who = `${found.user} on ${found.host}`;
  element("who").textContent = who;
  element("status").textContent = found.status;
  element("lock").hidden = !found.locked;
  element("lock").textContent = found.lock_title ? `Locked: ${found.lock_title}` : "Locked";
  element("control").hidden = !found.controlled_by;
  element("control").textContent = `${found.controlled_by} is in control`;
  document.title = `${found.locked ? "Locked: " : ""}${who}`;
  return found;
}

function showEvent(event) {
  const line = document.createElement("li");
  line.textContent = `${new Date(event.at).toLocaleTimeString()} ${event.message}`;
  element("events").append(line);
  while (element("events").children.length > EVENTS) element("events").children[0].remove();
}

/** Bytes as text that may stand among a WebSocket's protocols. */
function base64url(text) {
  const bytes = Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte));
  return btoa(bytes.join("")).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Watches until it is over; answers why it is. */
function watch(picture) {
  return new Promise((resolve) => {
    const protocols = ["sallyport.watch"];
    if (token) protocols.push(`bearer.${base64url(token)}`);
    const socket = new WebSocket(`wss://${location.host}${watchPath}`, protocols);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      hand.send = (message) => socket.send(JSON.stringify(message));
    };
    let reason = "The connection to the server was closed.";
    socket.onmessage = ({ data }) => {
      if (typeof data !== "string") {
        const item = takeApart(data);
        if (item) picture.take(item);
        return;
      }
      const told = JSON.parse(data);
      if (told.type === "desktop" || told.type === "pointer" || told.type === "cover") picture.take(told);
      if (told.type === "desktop") notice("");
      if (told.type === "live") state("live");
      if (told.type === "gap") element("gap").hidden = false;
      if (told.type === "event") {
        showEvent(told);
        // What is told here first stands in the session a moment later.
        setTimeout(() => showTitle().catch(() => {}), SETTLED);
      }
      if (told.type === "control") {
        control(told.yours);
        notice(told.reason ?? "");
      }
      if (told.type === "refused") notice(told.reason);
      if (told.type === "end") reason = told.reason;
    };
    socket.onclose = () => {
      hand.send = null;
      control(false);
      element("hand").hidden = true;
      resolve(reason);
    };
  });
}

/** A WebSocket does not say why it is refused; the same question without one does. */
async function mayWatch() {
  try {
    await ask(watchPath);
  } catch (refused) {
    if (refused.status !== 426) throw refused;
  }
}

async function run() {
  const found = await showTitle();
  if (found.type !== "PAM RDP") {
    notice("This session is a terminal. Watch it with: sallyport sessions watch ID");
    return;
  }
  element("login").hidden = true;
  element("leave").hidden = false;
  await mayWatch();
  await offerControl();
  notice("Waiting for the first picture …");
  state("waiting");
  const title = setInterval(() => showTitle().catch(() => {}), LOOK_AGAIN);
  const reason = await watch(new Picture(element("picture"), element("pointer")));
  clearInterval(title);
  await showTitle().catch(() => {});
  notice(`No longer watching: ${reason}`);
  state("ended");
}

async function start() {
  try {
    await run();
  } catch (failed) {
    if (failed.status === 401) {
      element("login").hidden = false;
      element("user").focus();
      state("login");
      notice(token ? "That token is not valid, or not any more." : "");
      token = "";
      return;
    }
    notice(failed.message);
    state("refused");
    // Nobody is connected: perhaps somebody will be.
    if (failed.status === 409) setTimeout(start, LOOK_AGAIN);
  }
}

element("login").addEventListener("submit", async (submitted) => {
  submitted.preventDefault();
  const [username, password] = [element("user").value, element("password").value];
  token = element("token").value.trim();
  element("password").value = "";
  element("token").value = "";
  if (!token) {
    const body = JSON.stringify({ username, password });
    try {
      await ask("/api/v1/login", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    } catch (failed) {
      notice(failed.message);
      return;
    }
  }
  notice("");
  await start();
});

element("leave").addEventListener("click", async () => {
  // A token that was pasted is somebody's own matter: it is forgotten here, and stays good.
  if (!token) await ask("/api/v1/logout", { method: "POST" }).catch(() => {});
  location.reload();
});

start();
