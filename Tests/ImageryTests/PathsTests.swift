import Files
import Testing

@Suite struct PathsTests {
  /// One letter is enough for a name: Foundation trapped there.
  @Test(arguments: [
    ("q", ".", "q", ""), ("", ".", "", ""), ("/", "/", "", ""), ("//", "/", "", ""), ("/q", "/", "q", ""),
    ("a/b", "a", "b", ""), ("a/b/", "a", "b", ""), ("a//b//", "a", "b", ""), ("/a/b", "/a", "b", ""),
    ("./a.PNG", ".", "a.PNG", "png"), ("a.b/c", "a.b", "c", ""), ("x/.hidden", "x", ".hidden", ""),
    ("x/.hidden.svg", "x", ".hidden.svg", "svg"), ("a.tar.gz", ".", "a.tar.gz", "gz"), ("a.", ".", "a.", ""),
    ("é/ü.Ö", "é", "ü.Ö", "ö"), ("..", ".", "..", ""),
  ])
  func parts(path: String, parent: String, name: String, fileExtension: String) {
    #expect(path.parentDirectory == parent && path.lastPathComponent == name)
    #expect(path.fileExtension == fileExtension)
  }

  @Test func appending() {
    #expect(
      "q".appendingPath("r") == "q/r" && "q/".appendingPath("r") == "q/r" && "".appendingPath("r") == "r")
    #expect("/".appendingPath("r") == "/r")
  }
}
