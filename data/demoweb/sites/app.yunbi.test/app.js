// Builds the page in the browser: without it there is nothing to read.
(function () {
  "use strict";
  var root = document.getElementById("root");

  function add(parent, tag, className, text) {
    var element = document.createElement(tag);
    if (className) element.className = className;
    if (text) element.textContent = text;
    parent.appendChild(element);
    return element;
  }

  function link(parent, className, item) {
    add(parent, "a", className, item.text).href = item.href;
  }

  function table(parent, rows) {
    var body = add(parent, "table", "", "");
    rows.forEach(function (row, index) {
      var line = add(body, "tr", "", "");
      row.forEach(function (cell) {
        var sign = cell.charAt(0);
        add(line, index ? "td" : "th", index && sign === "+" ? "up" : index && sign === "-" ? "down" : "", cell);
      });
    });
  }

  function build(all) {
    var page = all.pages[root.dataset.page];
    document.title = page.title;
    var bar = add(add(root, "header", "top", ""), "div", "wrap", "");
    var brand = add(bar, "a", "brand", "");
    brand.href = "/";
    add(brand, "img", "", "").src = "/logo.svg";
    brand.appendChild(document.createTextNode(all.brand));
    var nav = add(bar, "nav", "nav", "");
    all.nav.forEach(function (item) { link(nav, "", item); });
    var hero = add(add(root, "section", "hero", ""), "div", "wrap", "");
    add(hero, "h1", "", page.hero.title);
    add(hero, "p", "", page.hero.text);
    link(hero, "btn", page.hero.button);
    var main = add(add(root, "main", "", ""), "div", "wrap", "");
    page.blocks.forEach(function (block) {
      add(main, "h2", "", block.title);
      if (block.rows) table(main, block.rows);
      if (block.text) add(main, "p", "", block.text);
      if (block.cards) {
        var grid = add(main, "div", "grid", "");
        block.cards.forEach(function (card) {
          var box = add(grid, "div", "card", "");
          add(box, "h3", "", card[0]);
          add(box, "p", "", card[1]);
        });
      }
    });
    var foot = add(add(root, "footer", "foot", ""), "div", "wrap", "");
    all.foot.forEach(function (line) { add(foot, "p", "", line); });
  }

  fetch("/data.json")
    .then(function (answer) { return answer.json(); })
    .then(build);
})();
