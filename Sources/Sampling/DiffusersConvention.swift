import Files

/// What the numbers of a diffusers network mean, as far as what lies beside its weights tells: `config.json` itself
/// where Inkflow wrote it, the scheduler's file or the pipeline's `model_index.json` where others did.
struct DiffusersConvention {
  /// What the weights of ours mean, for whoever opens them elsewhere: diffusers' own flow-matching schedulers run
  /// the other way.
  static func ours(isDequantized: Bool) -> [String: String] {
    [
      "time": "t = 0 is noise, t = 1 is data; the network is given t * 1000",
      "prediction": "velocity x1 - x0 at x_t = (1 - t) * x0 + t * x1",
      "pixels": isDequantized ? "(u8 + u) / 128 - 1, 0 <= u < 1" : "u8 / 127.5 - 1",
    ]
  }

  /// Whether the network predicts x₀ − x₁ and is given (1 − t)·1000: σ·1000, in diffusers' words.
  let isReversed: Bool
  /// As `TrainedFlow/isDequantized`.
  let isDequantized: Bool?
  /// What was assumed or is to be converted; nil where the files say that the model is ours.
  let remark: String?

  /// - Parameter notes: what `config.json` has under `_inkflow`.
  /// - Throws: `FileError` where the model is no flow of pixels, or the files contradict each other.
  init(of directory: DiffusersDirectory, notes: [String: String]) throws(FileError) {
    let isDequantized = notes["pixels"] == Self.ours(isDequantized: true)["pixels"]
    // Older models say nothing of noise on their pixels.
    self.isDequantized = isDequantized ? true : nil
    for (key, value) in Self.ours(isDequantized: isDequantized).sorted(by: { $0.key < $1.key }) {
      if let found = notes[key], found != value {
        throw FileError(
          .malformed, directory.configurationPath, "says under _inkflow, \(key): '\(found)', not '\(value)'",
          remedy: "open it with the version of Inkflow that wrote it")
      }
    }
    let isOurs = notes["time"] != nil && notes["prediction"] != nil
    let scheduler = try Self.scheduler(of: directory)
    if isOurs, let scheduler, scheduler.isReversed {
      throw FileError(
        .malformed, scheduler.path,
        "says \(scheduler.name), whose velocity is noise - data, but config.json says under _inkflow: data - noise",
        remedy: "remove the one that is not true: this file, or _inkflow from config.json")
    }
    isReversed = scheduler?.isReversed ?? false
    if isOurs {
      remark = nil
    } else if let scheduler {
      remark =
        scheduler.isReversed
        ? "converted from the convention of \(scheduler.name) (velocity noise - data, time from 1 to 0)"
        : "velocity data - noise, time from 0 to 1, as \(scheduler.name) with invert_sigmas says"
    } else {
      remark =
        "assumed: no file says what the network predicts, so it is taken for the velocity data - noise, time from 0 "
        + "to 1, as Inkflow trains it; anything else gives noise"
    }
  }

  private struct Scheduler {
    let path: String
    let name: String
    let isReversed: Bool
  }

  private static let flowSchedulers = ["FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler"]

  /// The scheduler that the model was made for, if any file names one.
  private static func scheduler(of directory: DiffusersDirectory) throws(FileError) -> Scheduler? {
    let index = directory.neighbour("model_index.json", "../model_index.json")
    let pipeline = try index.map { path throws(FileError) in try DiffusersDirectory.readObject(path) }
    if let index, let decoder = ["vae", "vqvae", "movq"].first(where: { pipeline?[$0] is [Any] }) {
      throw FileError(
        .malformed, index, "says that '\(decoder)' makes the pictures of what this network draws",
        remedy: "name a model that draws pixels")
    }
    let name = "scheduler_config.json"
    guard let path = directory.neighbour(name, "scheduler/\(name)", "../scheduler/\(name)") else {
      guard let index, let entry = pipeline?["scheduler"] as? [Any] else { return nil }
      throw FileError(
        .missing, index, "names the scheduler \(entry.last ?? ""), but there is no scheduler/\(name)",
        remedy: "get all files of the model")
    }
    let object = try DiffusersDirectory.readObject(path)
    let className = object["_class_name"] as? String ?? "no class"
    guard flowSchedulers.contains(className) else {
      let prediction = (object["prediction_type"] as? String).map { " with prediction_type '\($0)'" } ?? ""
      throw FileError(
        .malformed, path, "says \(className)\(prediction): this is no model of flow matching",
        remedy: "name one that Inkflow trained, or one for \(flowSchedulers[0])")
    }
    let steps = object["num_train_timesteps"] as? Double ?? 1000
    guard steps == 1000 else {
      throw FileError(
        .malformed, path, "says num_train_timesteps \(steps): the network is given other times than t * 1000",
        remedy: "name a model that was trained with 1000")
    }
    // With inverted sigmas time and velocity are as ours.
    return Scheduler(path: path, name: className, isReversed: object["invert_sigmas"] as? Bool != true)
  }
}
