import ArgumentParser
import Files
import Foundation
import Kernels
import Network
import Training

struct Inkflow: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inkflow",
    abstract: "Trains and samples flow-matching image generators on an ordinary CPU.",
    discussion: """
      A first try, with nothing to download:

        inkflow train synthetic --preset tiny --minutes 2
        inkflow sample outputs/synthetic

      A DATASET is 'mnist' or 'fashion-mnist' (after 'make datasets'), 'kmnist' (after 'datasets/fetch.sh kmnist'), \
      'synthetic' (made on the spot), or a \
      directory with IDX files. A MODEL is a run's directory, a checkpoint file or a diffusers directory.
      """,
    version: RunRecord.currentVersion,
    subcommands: [
      TrainCommand.self, SampleCommand.self, EvaluateCommand.self, InspectCommand.self,
      SynthesizeCommand.self,
      ImportImagesCommand.self, ToyCommand.self, LikelihoodCommand.self, InvertCommand.self,
      InterpolateCommand.self, ReflowCommand.self, BenchCommand.self,
    ])
}

@main
enum Main {
  /// Parses, runs, and turns every error into one line and the exit status of sysexits.h.
  static func main() {
    Terminal.reserveStandardStreams()
    // Beyond a limit of file sizes a write then fails, which is said, and nothing is left half written.
    signal(SIGXFSZ, SIG_IGN)
    guard cpuIsSufficient else { exit(with: insufficientCPU, status: 78) }
    requireText()
    requireCommand()
    do {
      var command: any ParsableCommand
      do {
        command = try Inkflow.parseAsRoot(arguments)
      } catch {
        Inkflow.exit(withError: error)
      }
      try command.run()
    } catch let error as FileError {
      exit(with: error.description, status: error.exitStatus)
    } catch let error as ConfigurationError {
      exit(with: error.description, status: 78)
    } catch let error as TrainingError {
      exit(with: error.description, status: 70)
    } catch let error as ValidationError {
      exit(with: error.message, status: 64)
    } catch let error as RunError {
      if let message = error.message { exit(with: message, status: error.status) }
      Foundation.exit(error.status)
    } catch {
      // Help and the version, which the parser's own commands throw.
      if Inkflow.exitCode(for: error) == .success { Inkflow.exit(withError: error) }
      exit(with: "\(error)", status: 70)
    }
  }

  /// Arguments are taken as text; one made of other bytes would name a file that isn't there.
  private static func requireText() {
    for case let argument? in (0..<Int(CommandLine.argc)).map({ CommandLine.unsafeArgv[$0] })
    where String(validatingCString: argument) == nil {
      let shown = FilePath(bytes: (0..<strlen(argument)).map { UInt8(bitPattern: argument[$0]) })
      exit(
        with:
          "the argument '\(shown)' is not UTF-8; rename that file or directory, or run from within it: its "
          + "name is '.' there", status: 64)
    }
  }

  /// The parser takes a negative number for an option: joined to the option before it, it is the value that the command
  /// refuses with its own words.
  private static var arguments: [String] {
    var arguments: [String] = []
    for argument in CommandLine.arguments.dropFirst() {
      if let option = arguments.last, option.hasPrefix("--"), option != "--", !option.contains("="),
        argument.hasPrefix("-"), Double(argument) != nil
      {
        arguments[arguments.count - 1] += "=\(argument)"
      } else {
        arguments.append(argument)
      }
    }
    return arguments
  }

  /// The parser would call a misspelt command an unexpected argument.
  private static func requireCommand() {
    let names = Inkflow.configuration.subcommands.compactMap { $0.configuration.commandName } + ["help"]
    guard CommandLine.arguments.count > 1, case let name = CommandLine.arguments[1], !name.hasPrefix("-"),
      !names.contains(name)
    else { return }
    let nearest = names.map { (name: $0, edits: edits(from: name, to: $0)) }.min { $0.edits < $1.edits }
    let meant = nearest.flatMap { $0.edits <= 2 ? "; did you mean '\($0.name)'?" : nil } ?? ";"
    exit(with: "there is no command '\(name)'\(meant) 'inkflow help' lists all commands", status: 64)
  }

  /// Letters to insert, leave out, replace, or swap with their neighbours.
  private static func edits(from a: String, to b: String) -> Int {
    let (a, b) = (Array(a), Array(b))
    var rows = [Array(0...b.count)]
    for i in a.indices {
      var row = [i + 1]
      for j in b.indices {
        var best = min(rows[i][j] + (a[i] == b[j] ? 0 : 1), rows[i][j + 1] + 1, row[j] + 1)
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, rows[i - 1][j - 1] + 1) }
        row.append(best)
      }
      rows.append(row)
    }
    return rows[a.count][b.count]
  }

  private static func exit(with message: String, status: Int32) -> Never {
    Terminal.note("error: \(message)")
    Foundation.exit(status)
  }
}

/// A failure with its exit status.
struct RunError: Error {
  /// Nil where all is said already.
  let message: String?
  let status: Int32
}
