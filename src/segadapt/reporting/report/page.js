"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const make = (tag, text = "", className = "") => {
    const made = document.createElement(tag);
    made.textContent = text;
    made.className = className;
    return made;
  };
  const data = (id) => JSON.parse(document.getElementById(id).textContent);

  // --- tables: a click sorts, a third one gives the table's own order back ---
  const value = (row, column) => row.children[column].textContent.trim();
  const compare = (a, b) => {
    const [x, y] = [Number(a), Number(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  };
  for (const table of all(".frame table")) {
    const body = table.tBodies[0];
    const own = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
      const orders = head.classList.contains("n") ? ["descending", "ascending", "none"] : ["ascending", "descending", "none"];
      const order = orders[(orders.indexOf(head.ariaSort) + 1) % 3];
      heads.forEach((each) => { each.ariaSort = "none"; });
      head.ariaSort = order;
      const sign = order === "descending" ? -1 : 1;
      const sorted = order === "none" ? own : [...own].sort((a, b) => {
        const [x, y] = [value(a, column), value(b, column)];
        return x && y ? sign * compare(x, y) : Number(!x) - Number(!y);
      });
      body.append(...sorted);
    }));
  }

  for (const box of all("input.gains")) {
    const frame = box.closest("article").querySelector(".frame.main");
    box.addEventListener("change", () => frame.classList.toggle("gains", box.checked));
  }

  window.addEventListener("beforeprint", () => {
    all("details").forEach((each) => { each.open = true; });
    all("img").forEach((each) => { each.loading = "eager"; });
  });

  // --- the story of a number ---
  const told = data("stories");
  const dialog = document.getElementById("story");
  const lines = (rows) => {
    const table = make("table");
    for (const cells of rows) {
      const row = table.insertRow();
      for (const cell of cells) row.insertCell().textContent = cell;
    }
    return table;
  };
  const COMPARED = /^(vs_control|detectable|verdict|difference|pairs|seeds_|images_|baseline)/;
  const open = (index, wanted, against) => {
    const story = told.rows[index];
    const baseline = against === undefined ? story.baseline : Number(against);
    const control = COMPARED.test(wanted) && baseline !== null ? told.rows[baseline] : null;
    const names = [wanted, wanted.replace(/^mIoU /, ""), wanted.replace(/_sd$/, ""), wanted.replace(/^vs_control.*/, "difference")];
    const column = names.find((name) => name in story.values) || story.mean;
    const values = story.values[column] || [];
    const shown = (each) => each === null ? "not known" : `${(100 * each).toFixed(2)} %`;
    const box = dialog.querySelector(".told");
    const title = make("h2", control && control !== story ? `${story.title} against ${control.title}` : `${story.title}, ${wanted || column}`);
    title.id = "story-title";
    const parts = [make("p", `Table ${story.table}, preset ${story.preset}, protocol ${story.protocol}.`, "lead")];
    const part = (heading, ...content) => parts.push(make("h4", heading), ...content);
    if (control && control !== story) {
      const theirs = control.values[story.mean];
      const ours = story.values[story.mean];
      parts.push(lines([["seed", story.title, control.title, "difference"], ...ours.map((each, place) => [story.seeds[place],
        shown(each), shown(theirs[place]), `${(100 * (each - theirs[place])).toFixed(2)} points`])]));
    } else {
      const seeds = make("div", "", "seeds");
      values.forEach((each, place) => seeds.append(make("span", `seed ${story.seeds[place]}: ${shown(each)}`)));
      parts.push(make("p", column === wanted || !wanted ? "" : column, "lead"), seeds);
    }
    const both = control && control !== story ? [control, story] : [story];
    const jobs = [...new Set(both.flatMap((each) => each.jobs))].map((each) => told.jobs[each]);
    part("Make it again", make("pre", both.map((each) => each.remake).join("\n")));
    part("Made by", lines(jobs.map((job) => [job.name, job.took, job.commit])));
    for (const each of both) {
      const whose = both.length > 1 ? `, ${each.title}` : "";
      part(`Machine and cost${whose}`, ...each.cost.map((line) => make("div", line)));
      part(`Parameters${whose}`, lines(each.parameters));
    }
    part("Inputs, SHA-256", lines(story.inputs));
    part("Files, SHA-256", lines(jobs.flatMap((job) => job.files)));
    box.replaceChildren(title, ...parts);
    dialog.showModal();
    dialog.scrollTop = 0;
  };
  document.addEventListener("click", (event) => {
    if (event.target === dialog) return dialog.close();
    const holder = event.target.closest("[data-story]");
    const spot = event.target.closest("td, button, polyline, circle");
    if (holder && spot && spot.textContent.trim()) {
      const named = event.target.closest("[data-column]");
      open(Number(holder.dataset.story), named ? named.dataset.column : "", holder.dataset.against);
    }
  });

  // --- curves ---
  for (const group of all("#curves .group")) {
    for (const button of all(".legend button", group)) {
      button.addEventListener("click", () => {
        const on = button.ariaPressed !== "true";
        button.ariaPressed = String(on);
        all(`svg [data-row="${button.dataset.row}"]`, group).forEach((each) => each.classList.toggle("off", !on));
      });
    }
  }

  // --- images ---
  const section = document.getElementById("gallery");
  if (!section) return;
  const galleries = data("pictures");
  const find = (selector) => section.querySelector(selector);
  const viewer = find(".viewer");
  const slide = find(".slide");
  const sides = { left: find("select[data-side=left]"), right: find("select[data-side=right]") };
  const canvases = { left: find("canvas.left"), right: find("canvas.right") };
  const hidden = new Set();
  let pictures;
  let views;
  let palette;
  let current = 0;
  let turn = 0;

  const decoded = new Map();
  const load = (uri) => {
    if (!decoded.has(uri)) {
      const image = new Image();
      image.src = uri;
      decoded.set(uri, image.decode().then(() => image));
    }
    return decoded.get(uri);
  };
  const pixels = async (uri, width, height, smooth) => {
    const image = await load(uri);
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingEnabled = smooth;
    context.drawImage(image, 0, 0, width, height);
    return context.getImageData(0, 0, width, height);
  };
  const rowOf = (view) => view.startsWith("row:") ? view.slice(4) : null;
  const uriOf = (item, view) => rowOf(view) === null ? item[view] : item.predictions[rowOf(view)];

  const painted = async (item, view, errors) => {
    const truthImage = await load(item.truth);
    const [width, height] = [truthImage.naturalWidth, truthImage.naturalHeight];
    if (view === "target" || view === "source") return pixels(uriOf(item, view), width, height, true);
    const photo = await pixels(item.target, width, height, true);
    const truth = await pixels(item.truth, width, height, false);
    const shown = await pixels(uriOf(item, view), width, height, false);
    const wrong = errors && view !== "truth";
    for (let at = 0; at < shown.data.length; at += 4) {
      const id = shown.data[at];
      const grey = 0.35 * (photo.data[at] + photo.data[at + 1] + photo.data[at + 2]) / 3;
      let colour = palette[id] || [0, 0, 0];
      if (wrong && (id === truth.data[at] || truth.data[at] === 255)) colour = null;
      if (hidden.has(id)) colour = null;
      for (let part = 0; part < 3; part += 1) shown.data[at + part] = colour ? colour[part] : grey;
      shown.data[at + 3] = 255;
    }
    return shown;
  };
  const draw = async () => {
    const mine = turn += 1;
    const item = pictures.images[current];
    const errors = find(".errors").checked;
    for (const side of ["left", "right"]) {
      const view = sides[side].value;
      const image = await painted(item, view, errors);
      if (mine !== turn) return;
      const canvas = canvases[side];
      canvas.width = image.width;
      canvas.height = image.height;
      canvas.getContext("2d").putImageData(image, 0, 0);
      const row = pictures.rows.find((each) => each.key === rowOf(view));
      const score = row && item.scores[row.key];
      const tag = find(`.tag.${side}`);
      tag.textContent = score === undefined ? views.find((each) => each[0] === view)[1] : `${row.title} · ${score.toFixed(1)}`;
      tag.disabled = !row || row.story === null;
      if (tag.disabled) delete tag.dataset.story;
      else tag.dataset.story = row.story;
    }
    const scores = Object.values(item.scores);
    const spread = scores.length ? `, ${(Math.max(...scores) - Math.min(...scores)).toFixed(1)} points apart` : "";
    find(".which").textContent = `${current + 1} of ${pictures.images.length} (of ${pictures.of}): ${item.name}${spread}`;
    all(".thumbs button", section).forEach((each, place) => { each.ariaSelected = String(place === current); });
    viewer.dataset.drawn = String(mine);
  };
  const choose = (place) => {
    current = (place + pictures.images.length) % pictures.images.length;
    // Sideways alone: the page must not jump.
    const [strip, thumb] = [find(".thumbs"), find(".thumbs").children[current]];
    strip.scrollLeft = thumb.offsetLeft - strip.offsetLeft - strip.clientWidth / 2 + thumb.clientWidth / 2;
    draw();
  };
  const swap = () => {
    [sides.left.value, sides.right.value] = [sides.right.value, sides.left.value];
    draw();
  };
  const put = (side, view) => {
    if (views[view]) {
      sides[side].selectedIndex = view;
      draw();
    }
  };

  // A gallery's own images, rows and classes in place of another's.
  const enter = (number) => {
    pictures = galleries[number];
    views = [["target", "Target image"], ["truth", "Ground truth"], ["source", "A source scene"],
      ...pictures.rows.map((row) => [`row:${row.key}`, row.title])];
    palette = pictures.palette.map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
    hidden.clear();
    for (const [side, start] of [["left", 3], ["right", views.length - 1]]) {
      sides[side].replaceChildren(...views.map(([key, name], place) => new Option(place < 9 ? `${place + 1} ${name}` : name, key)));
      sides[side].selectedIndex = Math.min(start, views.length - 1);
    }
    find(".thumbs").replaceChildren(...pictures.images.map((item, place) => {
      const button = make("button");
      button.type = "button";
      button.role = "option";
      const image = make("img");
      image.loading = "lazy";
      image.alt = item.name;
      image.src = item.target;
      button.append(image);
      button.addEventListener("click", () => choose(place));
      return button;
    }));
    find(".classes").replaceChildren(find(".classes .all"), ...pictures.classes.map((name, id) => {
      const button = make("button", "", "class");
      button.type = "button";
      button.ariaPressed = "true";
      const swatch = make("i");
      swatch.style.background = pictures.palette[id];
      button.append(swatch, name);
      button.addEventListener("click", () => {
        hidden[hidden.has(id) ? "delete" : "add"](id);
        button.ariaPressed = String(!hidden.has(id));
        draw();
      });
      return button;
    }));
    current = 0;
  };
  find(".classes .all").addEventListener("click", () => {
    const none = hidden.size === 0;
    all(".classes .class", section).forEach((button, id) => {
      hidden[none ? "add" : "delete"](id);
      button.ariaPressed = String(!none);
    });
    draw();
  });
  find(".set").addEventListener("change", () => {
    enter(find(".set").selectedIndex);
    draw();
  });
  for (const side of Object.values(sides)) side.addEventListener("change", draw);
  slide.addEventListener("input", () => viewer.style.setProperty("--x", `${slide.value}%`));
  find(".errors").addEventListener("change", draw);
  find(".swap").addEventListener("click", swap);
  section.addEventListener("keydown", (event) => {
    if (event.target.tagName === "SELECT" || event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { ArrowUp: -1, ArrowDown: 1 };
    if (event.key in steps) {
      event.preventDefault();
      choose(current + steps[event.key]);
    } else if (event.key === "e") {
      find(".errors").click();
    } else if (event.key === "s") {
      swap();
    } else if (/^Digit[1-9]$/.test(event.code)) {
      put(event.shiftKey ? "left" : "right", Number(event.code.slice(5)) - 1);
    }
  });
  enter(0);
  // Pictures are decoded when somebody comes near them.
  const near = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) {
      near.disconnect();
      draw();
    }
  }, { rootMargin: "600px" });
  near.observe(section);
  window.addEventListener("beforeprint", () => { if (!viewer.dataset.drawn) draw(); });
})();
