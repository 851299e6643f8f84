// A page as somebody writes one who uses the npm client as it is documented.

import "/browser-test/iron-remote-desktop.js";
import * as rdp from "/browser-test/iron-remote-desktop-rdp.js";

const SIZE = { width: 1024, height: 768 };

/** Opens a desktop; resolves once it is there. How it ends stands in `window.ended` later. */
window.enter = async (ticket) => {
  await rdp.init("INFO");
  const element = document.createElement("iron-remote-desktop");
  element.setAttribute("scale", "real");
  const desktop = await new Promise((resolve) => {
    element.addEventListener("ready", (event) => resolve(event.detail.irgUserInteraction));
    element.module = rdp.Backend;
    document.getElementById("screen").append(element);
  });
  const config = desktop
    .configBuilder()
    // Who it is, and where to, the ticket says.
    .withUsername("anybody")
    .withPassword("anything")
    .withDestination("sallyport")
    .withServerDomain("")
    .withProxyAddress(`wss://${location.host}/api/v1/rdp`)
    .withAuthToken(ticket)
    .withDesktopSize(SIZE)
    .withExtension(rdp.enableCredssp(false))
    .withExtension(rdp.displayControl(false))
    .build();
  try {
    const session = await desktop.connect(config);
    desktop.setVisibility(true);
    session.run().then(
      (end) => { window.ended = end.reason(); },
      (error) => { window.ended = `error: ${error?.backtrace?.() ?? error}`; },
    );
  } catch (error) {
    throw new Error(`kind ${error?.kind?.()}: ${error?.backtrace?.() ?? error}`);
  }
};
window.ready = true;
