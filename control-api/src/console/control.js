"use strict";

// Control of the desktop that is watched: asks for it, and sends what is typed and pointed at while it is given.
// GET /api/v1/sessions/{id}/watch says in /api/v1/openapi.json what is understood.

/** Keys by their place, from one scancode on (KeyboardEvent.code). */
const KEY_ROWS = [
  [0x01, "Escape Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal Backspace Tab"],
  [0x10, "KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight Enter ControlLeft"],
  [0x1e, "KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL Semicolon Quote Backquote ShiftLeft Backslash"],
  [0x2c, "KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma Period Slash ShiftRight NumpadMultiply AltLeft Space CapsLock"],
  [0x3b, "F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 NumLock ScrollLock Numpad7 Numpad8 Numpad9 NumpadSubtract"],
  [0x4b, "Numpad4 Numpad5 Numpad6 NumpadAdd Numpad1 Numpad2 Numpad3 Numpad0 NumpadDecimal"],
  [0x56, "IntlBackslash F11 F12"],
  [0x70, "KanaMode"],
  [0x73, "IntlRo"],
  [0x79, "Convert"],
  [0x7b, "NonConvert"],
  [0x7d, "IntlYen"],
];
/** The same of those that have the prefix E0. */
const EXTENDED_ROWS = [
  [0x1c, "NumpadEnter ControlRight"],
  [0x35, "NumpadDivide"],
  [0x37, "PrintScreen AltRight"],
  [0x47, "Home ArrowUp PageUp"],
  [0x4b, "ArrowLeft"],
  [0x4d, "ArrowRight"],
  [0x4f, "End ArrowDown PageDown Insert Delete"],
  [0x5b, "MetaLeft MetaRight ContextMenu"],
];
/** One notch of a wheel, on the wire and in a browser's pixels. */
const NOTCH = 120;
const NOTCH_PIXELS = 100;
/** The most that one message turns a wheel by. */
const MOST_TURN = 255;

function scancodes() {
  const found = new Map();
  for (const [rows, extended] of [[KEY_ROWS, false], [EXTENDED_ROWS, true]]) {
    for (const [first, names] of rows) {
      names.split(" ").forEach((name, at) => found.set(name, { scancode: first + at, extended }));
    }
  }
  return found;
}

/** The hand on the desktop. `send` takes a message; `null` while nothing is watched. */
class Hand {
  constructor(screen, picture) {
    this.screen = screen;
    this.picture = picture;
    this.keys = scancodes();
    this.held = new Map();
    this.send = null;
    this.isMine = false;
    this.place = { x: 0, y: 0 };
    this.buttons = 0;
    this.isMoving = false;
    const listen = (name, act) => screen.addEventListener(name, (event) => {
      if (!this.isMine) return;
      event.preventDefault();
      act(event);
    }, { passive: false });
    listen("keydown", (event) => this.key(event, true));
    listen("keyup", (event) => this.key(event, false));
    listen("pointerdown", (event) => {
      // What goes on outside until the button is let go belongs to it.
      screen.setPointerCapture(event.pointerId);
      screen.focus();
      this.point(event);
    });
    listen("pointerup", (event) => this.point(event));
    listen("pointermove", (event) => this.move(event));
    listen("wheel", (event) => this.wheel(event));
    listen("contextmenu", () => {});
    screen.addEventListener("blur", () => this.letGo());
  }

  /** Says something, if there is somebody to say it to. */
  say(message) {
    this.send?.(message);
  }

  take(mode) {
    this.say({ type: "take", mode });
  }

  release() {
    this.letGo();
    this.say({ type: "release" });
  }

  /** Control was given, or is over. */
  set(mine) {
    this.isMine = mine;
    if (mine) this.screen.focus();
    else this.held.clear();
  }

  key(event, down) {
    const key = this.keys.get(event.code);
    // Held keys repeat; what was not pressed here is not let go here.
    if (!key || (!down && !this.held.delete(event.code))) return;
    if (down) this.held.set(event.code, key);
    this.say({ type: "key", ...key, down });
  }

  /** Presses keys together. */
  press(codes) {
    const keys = codes.map((code) => this.keys.get(code));
    for (const key of keys) this.say({ type: "key", ...key, down: true });
    for (const key of keys.reverse()) this.say({ type: "key", ...key, down: false });
    this.screen.focus();
  }

  /** Whoever looks elsewhere holds nothing any longer. */
  letGo() {
    if (!this.isMine) return;
    for (const key of this.held.values()) this.say({ type: "key", ...key, down: false });
    this.held.clear();
    if (this.buttons) {
      this.buttons = 0;
      this.mouse(0);
    }
  }

  /** Where that is on the desktop, which may be shown smaller than it is. */
  see(event) {
    const box = this.picture.getBoundingClientRect();
    const across = (event.clientX - box.left) / box.width;
    const down = (event.clientY - box.top) / box.height;
    const within = (part, size) => Math.round(Math.min(Math.max(part * size, 0), Math.max(size - 1, 0)));
    this.place = { x: within(across, this.picture.width), y: within(down, this.picture.height) };
    this.buttons = event.buttons & 31;
  }

  mouse(wheel) {
    this.say({ type: "mouse", ...this.place, buttons: this.buttons, wheel });
  }

  point(event) {
    this.see(event);
    this.mouse(0);
  }

  /** Once for each picture that a browser draws: more nobody sees. */
  move(event) {
    const before = this.buttons;
    this.see(event);
    if (before !== this.buttons) {
      this.mouse(0);
      return;
    }
    if (this.isMoving) return;
    this.isMoving = true;
    requestAnimationFrame(() => {
      this.isMoving = false;
      if (this.isMine) this.mouse(0);
    });
  }

  wheel(event) {
    const notches = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY / NOTCH_PIXELS : Math.sign(event.deltaY);
    const turn = Math.round(-notches * NOTCH);
    this.see(event);
    if (turn) this.mouse(Math.min(Math.max(turn, -MOST_TURN), MOST_TURN));
  }
}
