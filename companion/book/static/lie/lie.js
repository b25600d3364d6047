// Catch the lie: the reader looks for a story's first false sentence. The first story stands there when the page
// opens and waits; the others come word by word, and then the judge speaks.
(() => {
  const stories = JSON.parse(document.getElementById("lie-stories").textContent);
  const game = document.querySelector(".lie");
  const [line, main, patient, told, list, verdict, score] = [
    ".line", ".main", ".patient", ".told", ".sentences", ".verdict", ".score",
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
    const isFirst = seen.size === 0;
    story = choose(ages[round]);
    round += 1;
    open = true;
    main.hidden = true;
    verdict.textContent = "";
    score.textContent = "";
    list.replaceChildren();
    told.textContent = `Story ${round} of ${ages.length}, after ${age(story)}`;
    if (isFirst) {
      story.sentences.forEach((sentence, i) => add(i, sentence.text));
      return;
    }
    told.tabIndex = -1;
    told.focus({ preventScroll: true });
    told.scrollIntoView({ block: "nearest" });
    tell(0, 0);
  };

  const tell = (i, n) => {
    if (!open) return;
    if (i === story.sentences.length) {
      waitForReader();
      return;
    }
    const words = story.sentences[i].text.split(" ");
    if (n === 0) add(i);
    list.children[i].querySelector(".words").textContent = words.slice(0, n + 1).join(" ");
    const next = n + 1 < words.length ? [i, n + 1] : [i + 1, 0];
    if (still) tell(...next);
    else timer = setTimeout(() => tell(...next), WORD);
  };

  // The whole story is there: the judge speaks soon, if it does not wait.
  const waitForReader = () => {
    clearTimeout(timer);
    if (!patient.checked) timer = setTimeout(() => judge(null), WAIT);
  };

  const add = (i, text = "") => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    const number = document.createElement("span");
    number.className = "number";
    number.textContent = `${i + 1} `;
    const words = document.createElement("span");
    words.className = "words";
    words.textContent = text;
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
    line.hidden = false;
    main.focus({ preventScroll: true });
    main.scrollIntoView({ block: "nearest" });
  };

  main.addEventListener("click", begin);
  patient.addEventListener("change", () => {
    const isTold = list.lastChild?.querySelector(".words").textContent === story.sentences.at(-1).text;
    if (open && isTold) waitForReader();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !/^[1-9]$/.test(event.key)) return;
    if (event.target.matches("input[type=text], input[type=search], textarea, select")) return;
    if (open && Number(event.key) <= list.children.length) judge(Number(event.key) - 1);
  });
  begin();
})();
