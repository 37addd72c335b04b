import Files

/// The folders of a folder that hold its splits.
struct SplitFolders {
  /// The whole folder, without a split, where no folder bears a split's name.
  let parts: [(split: ImageDataset.Split?, tree: PictureTree)]
  /// What lies beside the splits, and is none.
  let passedOver: [FilePath]
  /// What was taken for what.
  let notes: [String]

  /// A data set here has two splits: what `val` holds is for testing if there is no `test`, and left out otherwise.
  ///
  /// - Throws: `.malformed` if splits lie beside other pictures, or there is none to train on.
  init(_ tree: PictureTree) throws(FileError) {
    let pictured = tree.folders.filter(\.holdsPictures)
    let splits = pictured.filter { SplitName($0.path.name) != nil }
    let others = pictured.filter { SplitName($0.path.name) == nil }
    guard let first = splits.first, splits.count > 1 || others.isEmpty else {
      (parts, passedOver) = ([(nil, tree)], [])
      // A class that happens to have such a name: trains among other vehicles. Or splits under other names: seg_train.
      notes =
        splits.map { "'\($0.path)' is taken for a class, as '\(others[0].path)' is one beside it" }
        + Self.mentions(in: pictured)
      return
    }
    func refusal(_ problem: String, _ remedy: String) -> FileError {
      FileError(.malformed, tree.path.description, problem, remedy: remedy)
    }
    if let other = others.first?.path ?? tree.pictures.first {
      throw refusal(
        "holds folders of splits, as '\(first.path.name)', and other pictures beside them: '\(other.name)'",
        "move these into one of the splits, or elsewhere")
    }
    let named = Dictionary(grouping: splits) { SplitName($0.path.name) }
    if let twice = named.values.first(where: { $0.count > 1 }) {
      throw refusal(
        "holds two folders of one split, '\(twice[0].path.name)' and '\(twice[1].path.name)'",
        "make them one, or move one elsewhere")
    }
    guard let train = named[.train]?.first else {
      throw refusal(
        "holds '\(first.path.name)', which is taken for a split, but no folder 'train'",
        "name the folder of pictures itself, as '\(first.path)', or add 'train'")
    }
    let test = named[.test]?.first ?? named[.validation]?.first
    let leftOut = splits.filter { $0.path != train.path && $0.path != test?.path }
    parts = test.map { [(.train, train), (.test, $0)] } ?? [(nil, train)]
    passedOver = tree.files + tree.folders.filter { !$0.holdsPictures }.map(\.path) + leftOut.map(\.path)
    notes =
      [
        "'\(train.path)' is taken for the pictures to train on, "
          + (test.map { "'\($0.path)' for those to test with" } ?? "every tenth of a class to test with")
      ]
      + leftOut.map {
        "'\($0.path)' is left out (files: \($0.allFiles.count)), as a data set has two splits; to test with these "
          + "instead, move the folder of the test pictures elsewhere"
      }
  }

  /// Of folders taken for classes, whose names speak of training and of testing.
  private static func mentions(in folders: [PictureTree]) -> [String] {
    let found = Dictionary(grouping: folders) { SplitName(mentionedIn: $0.path.name) }
    guard let train = found[.train]?.first, let test = found[.test]?.first ?? found[.validation]?.first else {
      return []
    }
    return [
      "'\(train.path)' and '\(test.path)' are taken for classes; if they are splits, rename them to 'train' and 'test'"
    ]
  }
}
