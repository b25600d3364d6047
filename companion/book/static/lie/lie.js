// Catch the lie: a story streams in, and the reader looks for its first false sentence.
(() => {
  const stories = JSON.parse(document.getElementById("lie-stories").textContent);
  const game = document.querySelector(".lie");
  const [main, patient, told, list, verdict, score] = [
    ".main", ".patient", ".told", ".sentences", ".verdict", ".score",
  ].map((selector) => game.querySelector(selector));
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const WORD = 140; // milliseconds from one word to the next
  const WAIT = still ? 20000 : 6000; // milliseconds that the judge waits after the last word

  const ages = [...new Set(stories.map((story) => story.minutes))].sort((a, b) => a - b);
  const seen = new Set();
  let round = 0;
  let caught = 0;
  let chance = 0;
  let story = null;
  let open = false; // whether a click still counts
  let timer = 0;

  const age = ({ minutes, steps }) => {
    const time = minutes === 1 ? "1 minute" : `${minutes} minutes`;
    return `about ${time} of training (${steps.toLocaleString("en")} steps)`;
  };
  const isFalse = (sentence) => sentence.kind === "contradiction";

  // A story that was not seen yet, as long as there is one. The first story has exactly one false sentence.
  const choose = (age) => {
    const ofAge = stories.filter((one) => one.minutes === age);
    const easy = ofAge.filter((one) => one.sentences.filter(isFalse).length === 1);
    const all = round === 0 && easy.length ? easy : ofAge;
    let fresh = all.filter((one) => !seen.has(one));
    if (!fresh.length) {
      all.forEach((one) => seen.delete(one));
      fresh = all;
    }
    const chosen = fresh[Math.floor(Math.random() * fresh.length)];
    seen.add(chosen);
    return chosen;
  };

  const begin = () => {
    if (round === ages.length) {
      round = 0;
      caught = 0;
      chance = 0;
    }
    story = choose(ages[round]);
    round += 1;
    open = true;
    main.hidden = true;
    verdict.textContent = "";
    score.textContent = "";
    list.replaceChildren();
    told.textContent = `Story ${round} of ${ages.length}, after ${age(story)}`;
    told.tabIndex = -1;
    told.focus({ preventScroll: true });
    told.scrollIntoView({ block: "nearest" });
    tell(0, 0);
  };

  const tell = (i, n) => {
    if (!open) return;
    if (i === story.sentences.length) {
      if (!patient.checked) timer = setTimeout(() => judge(null), WAIT);
      return;
    }
    const words = story.sentences[i].text.split(" ");
    if (n === 0) add(i);
    list.children[i].querySelector(".words").textContent = words.slice(0, n + 1).join(" ");
    const next = n + 1 < words.length ? [i, n + 1] : [i + 1, 0];
    if (still) tell(...next);
    else timer = setTimeout(() => tell(...next), WORD);
  };

  const add = (i) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    const number = document.createElement("span");
    number.className = "number";
    number.textContent = `${i + 1} `;
    const words = document.createElement("span");
    words.className = "words";
    button.append(number, words);
    button.addEventListener("click", () => judge(i));
    item.append(button);
    list.append(item);
  };

  // The end of a story: the reader chose sentence i, or none (null) before the judge spoke.
  const judge = (i) => {
    if (!open) return;
    open = false;
    clearTimeout(timer);
    const first = story.sentences.findIndex(isFalse);
    story.sentences.forEach((sentence, k) => {
      if (k >= list.children.length) add(k);
      const button = list.children[k].firstChild;
      button.querySelector(".words").textContent = sentence.text;
      button.disabled = true;
      if (k < first) button.classList.add("true");
      if (k === first) button.classList.add("first");
    });
    if (i !== null) {
      const sign = document.createElement("span");
      sign.className = "sign";
      sign.textContent = i === first ? "your click: right" : "your click";
      list.children[i].firstChild.append(sign);
      list.children[i].firstChild.classList.add("chosen");
    }
    chance += 1 / story.sentences.length;
    const is = `Sentence ${first + 1} is the first false one. ${story.sentences[first].reason}`;
    if (i === first) {
      caught += 1;
      verdict.textContent = `Caught! ${is}`;
    } else if (i === null) {
      verdict.textContent = `The judge was faster. ${is}`;
    } else {
      const others = i > first ? "stands after the first false one and does not count" : "is not false";
      verdict.textContent = `Sentence ${i + 1} ${others}. ${is}`;
    }
    score.textContent =
      `You caught ${caught} of ${round}. Chance: random clicks catch ${chance.toFixed(1)} of ${round} on average.`;
    main.textContent = round === ages.length ? "Play again" : "Next story";
    main.hidden = false;
    main.focus({ preventScroll: true });
    main.scrollIntoView({ block: "nearest" });
  };

  main.addEventListener("click", begin);
  // When the box is ticked, the judge waits; when it is cleared after the last word, it speaks at once.
  patient.addEventListener("change", () => {
    const isTold = open && list.children.length === story.sentences.length;
    const last = isTold && list.lastChild.querySelector(".words").textContent;
    if (!isTold || last !== story.sentences.at(-1).text) return;
    clearTimeout(timer);
    if (!patient.checked) judge(null);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !/^[1-9]$/.test(event.key)) return;
    if (event.target.matches("input[type=text], input[type=search], textarea, select")) return;
    if (open && Number(event.key) <= list.children.length) judge(Number(event.key) - 1);
  });
})();
