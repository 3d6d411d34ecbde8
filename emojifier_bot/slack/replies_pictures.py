"""Sentences about pictures: what was in them, and why they could not be fetched."""

from __future__ import annotations

from emojifier_bot.slack.reply import Reply

#: What the faces' finders and readers say.
FACES = {
    "no_face": Reply(
        "I looked closely, but found no face in this picture.",
        "Try one in which the faces are larger, sharper or turned to the camera.",
    ),
    "theme": Reply(
        "The emoji of that theme cannot be drawn at the moment.",
        "Ask again without naming a theme.",
    ),
    "backend": Reply(
        "The part of me that reads faces failed on this picture.",
        "Please try another picture, and tell the person who runs me.",
    ),
    "model_file": Reply(
        "I am not set up completely: what I read faces with is missing.",
        "Please tell the person who runs me; `emojifier-bot check` shows them what.",
    ),
    "face_api": Reply(
        "The service that reads faces for me failed on this picture.",
        "Please try again in a few minutes.",
    ),
    "face_api_down": Reply(
        "The service that reads faces for me does not answer.",
        "Please try again in a few minutes.",
    ),
    "face_api_busy": Reply(
        "The service that reads faces for me has too much to do just now.",
        "Please try again in a few minutes.",
    ),
    "face_api_answer": Reply(
        "The service that reads faces for me said something I do not understand.",
        "Please try again later, and tell the person who runs me.",
    ),
    "face_api_refused": Reply(
        "The service that reads faces for me does not take this picture.",
        "Save it as an ordinary JPEG of a few megabytes, and try that.",
    ),
    "face_api_credentials": Reply(
        "The service that reads faces for me does not let me in.",
        "Please tell the person who runs me; `emojifier-bot check` shows them why.",
    ),
    "inference": Reply(
        "My face reader could not make sense of this picture's size or colours.",
        "Save it as an ordinary JPEG, and try that.",
    ),
}

#: Pictures that are there, but of no use.
IMAGES = {
    "image": Reply(
        "I cannot use this picture.",
        "Please try another one, best as a JPEG or PNG.",
    ),
    "not_an_image": Reply(
        "That file is not a picture.",
        "I read JPEG, PNG, WebP, GIF, HEIC, AVIF, BMP and TIFF.",
    ),
    "unsupported": Reply(
        "That is a kind of picture that I cannot read.",
        "Save it as a JPEG or PNG, and try again.",
    ),
    "truncated": Reply(
        "The picture breaks off before it really begins.",
        "Upload the whole file again.",
    ),
    "broken": Reply(
        "The picture is damaged, and I cannot open it.",
        "Open it on your side, save it anew as a JPEG or PNG, and send that.",
    ),
    "empty": Reply(
        "The file is empty.",
        "Upload it again, or choose another one.",
    ),
    "too_large": Reply(
        "The file is too large for me.",
        "Send a smaller version; a few megabytes are plenty.",
    ),
    "too_many_pixels": Reply(
        "The picture has more pixels than I can hold.",
        "Scale it down and try again; 4000 pixels on its longer side are plenty.",
    ),
    "output_format": Reply(
        "I could not save the result in the format of your picture.",
        "Send the picture as a JPEG or PNG.",
    ),
    "unreadable": Reply(
        "The picture could not be read to its end.",
        "Please send it once more.",
    ),
    "decode_timeout": Reply(
        "Opening the picture took so long that I stopped.",
        "Save it as an ordinary JPEG, or scale it down, and try that.",
    ),
    "decode_crash": Reply(
        "This file made my picture opener fall over.",
        "Save the picture anew as a JPEG or PNG, and try that.",
    ),
    "decoder_down": Reply(
        "My picture opener does not start at the moment.",
        "Please try again in a few minutes, and tell the person who runs me if it "
        "stays so.",
    ),
}

#: Addresses that people type.
ADDRESSES = {
    "fetch": Reply(
        "I could not fetch the picture.",
        "Check the address, or upload the picture to Slack.",
    ),
    "not_an_address": Reply(
        "I cannot read that as a web address.",
        "Copy it again, whole, from your browser's address bar.",
    ),
    "scheme": Reply(
        "I only open addresses that begin with `https://` or `http://`.",
        "Give me one of those, or upload the picture to Slack.",
    ),
    "port": Reply(
        "That address names an unusual port, and I use only the common ones.",
        "Find the picture at an address without a port, or upload it to Slack.",
    ),
    "private_address": Reply(
        "That address leads into a private network, where I do not go.",
        "Give me one that everybody on the internet can open, or upload the picture.",
    ),
    "unresolvable": Reply(
        "I cannot find the website in that address.",
        "Check its name for a typing mistake.",
    ),
    "unreachable": Reply(
        "The website of the picture does not answer.",
        "Try again in a few minutes, or upload the picture to Slack.",
        retryable=True,
    ),
    "timeout": Reply(
        "Fetching the picture took too long.",
        "Try again later, or upload the picture to Slack.",
        retryable=True,
    ),
    "tls": Reply(
        "The website's security certificate is not in order, so I did not go on.",
        "Find the picture somewhere else, or upload it to Slack.",
    ),
    "too_many_redirects": Reply(
        "That address passed me on again and again.",
        "Open it in your browser, and copy the address where you end up.",
    ),
    "http_status": Reply(
        "The website answered with an error in place of the picture.",
        "Try again later, or upload the picture to Slack.",
        retryable=True,
    ),
    "not_found": Reply(
        "There is nothing at that address.",
        "Check it for a typing mistake; perhaps the picture was removed.",
    ),
    "forbidden": Reply(
        "The website does not show that picture to everybody.",
        "Save it and upload it to Slack, if you may.",
    ),
    "page": Reply(
        "There is a web page at that address, not a picture.",
        "Open the page, right-click the picture, choose “Copy image address”, and give "
        "me that.",
    ),
    "remote": Reply(same_as="fetch"),
}

#: Pictures that lie in Slack.
SLACK_FILES = {
    "source_gone": Reply(
        "The picture that this was to be made from is gone, or hidden from me.",
        "Upload it again in a conversation that I am in, and ask me once more.",
    ),
    "hidden_file": Reply(
        "Slack does not let me see that picture.",
        "Upload it yourself to a conversation that I am in, and try again.",
    ),
    "connect_file": Reply(
        "That picture belongs to another organisation, and Slack keeps it from me.",
        "Save it, upload it here yourself, and try again.",
    ),
    "external_file": Reply(
        "That picture is only linked into Slack; it lies with another service.",
        "Download it there, upload it to Slack, and try again.",
    ),
    "login_page": Reply(
        "In place of the picture, Slack showed me its sign-in page.",
        "Upload the picture again; if that does not help, ask an admin to reinstall "
        "me.",
    ),
    "gone": Reply(same_as="source_gone"),
}
